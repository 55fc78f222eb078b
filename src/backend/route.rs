//! Which operation is asked for, and of what? The path, read as leniently as a server may.
//!
//! Segments are percent-decoded, a trailing slash and a `.json` at the end are ignored.

use std::borrow::Cow;

use super::decode::Plus;
use super::decode::decode;
use super::error::Code;
use super::error::Problem;
use crate::policy::endpoint::Endpoint;
use crate::policy::endpoint::MAX_SEGMENTS;
use crate::policy::endpoint::Method;
use crate::policy::endpoint::OPERATIONS;
use crate::policy::endpoint::Operation;
use crate::policy::endpoint::Segment;
use crate::sid::Sid;
use crate::sid::SidKind;

const SUFFIX: &str = ".json";

/// An operation and what its path names.
#[derive(Debug)]
pub(super) struct Route<'a> {
    pub(super) endpoint: Endpoint,
    /// The path's SIDs, at most one of a kind.
    sids: Vec<Sid>,
    /// What stands where a unique name may stand, SID or not.
    name: Option<Cow<'a, str>>,
    /// Whose SID should be where none is; the first of them.
    malformed: Option<SidKind>,
}

impl<'a> Route<'a> {
    /// Finds the operation of a method and a path.
    pub(super) fn find(method: &str, path: &'a str) -> Result<Self, Problem> {
        let mut segments = segments(path).ok_or(Problem::NotFound)?;
        let method = Method::parse(method);
        if let Some(operation) = operation(method, &segments) {
            return Ok(Self::read(operation, segments));
        }
        strip_suffix(&mut segments);
        match operation(method, &segments) {
            Some(operation) => Ok(Self::read(operation, segments)),
            None => Err(not_there(&segments)),
        }
    }

    fn read(operation: &Operation, segments: Vec<Cow<'a, str>>) -> Self {
        let (endpoint, sids) = (operation.endpoint, Vec::new());
        let mut route = Self { endpoint, sids, name: None, malformed: None };
        for (place, segment) in operation.template.iter().zip(segments) {
            match *place {
                Segment::Literal(_) => {}
                Segment::Id(kind) => {
                    let text = segment.strip_suffix(SUFFIX).unwrap_or(&segment);
                    match Sid::parse_as(kind, text) {
                        Some(sid) => route.sids.push(sid),
                        None => route.malformed = route.malformed.or(Some(kind)),
                    }
                }
                Segment::IdOrName(kind) => {
                    let text = segment.strip_suffix(SUFFIX).unwrap_or(&segment);
                    route.sids.extend(Sid::parse_as(kind, text));
                    route.name = Some(segment);
                }
            }
        }
        route
    }

    /// Fails where the path has something else in the place of a SID.
    pub(super) fn check(&self) -> Result<(), Problem> {
        self.malformed.map_or(Ok(()), |kind| Err(invalid(kind)))
    }

    /// The path's SID of a kind.
    pub(super) fn sid(&self, kind: SidKind) -> Result<Sid, Problem> {
        self.sids.iter().copied().find(|sid| sid.kind() == kind).ok_or(Problem::NotFound)
    }

    /// The unique names that the path may mean: as it stands, and without `.json`.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let name = self.name.as_deref();
        name.into_iter().chain(name.and_then(|name| name.strip_suffix(SUFFIX)))
    }
}

fn segments(path: &str) -> Option<Vec<Cow<'_, str>>> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    // One too many is enough to fit no template.
    let most = MAX_SEGMENTS.saturating_add(1);
    let mut segments = Vec::with_capacity(most);
    for segment in path.split('/').take(most) {
        segments.push(decode(segment, Plus::Plus)?);
    }
    Some(segments)
}

/// The operation of a method and a path.
fn operation(method: Option<Method>, path: &[Cow<'_, str>]) -> Option<&'static Operation> {
    let method = method?;
    OPERATIONS.iter().find(|operation| operation.method == method && fits(operation, path))
}

/// Why a path has no operation: there is none, or not of that method.
fn not_there(path: &[Cow<'_, str>]) -> Problem {
    if OPERATIONS.iter().any(|operation| fits(operation, path)) {
        Problem::MethodNotAllowed(allowed(path))
    } else {
        Problem::NotFound
    }
}

fn strip_suffix(segments: &mut [Cow<'_, str>]) {
    if let Some(last) = segments.last_mut()
        && let Some(bare) = last.strip_suffix(SUFFIX)
    {
        *last = Cow::Owned(bare.to_owned());
    }
}

/// Whether the path has the template's words in the template's places.
fn fits(operation: &Operation, segments: &[Cow<'_, str>]) -> bool {
    operation.template.len() == segments.len()
        && operation.template.iter().zip(segments).all(|(place, segment)| match *place {
            Segment::Literal(word) => word == segment,
            Segment::Id(_) | Segment::IdOrName(_) => !segment.is_empty(),
        })
}

/// The methods of a path. Every path of the API can be read.
fn allowed(segments: &[Cow<'_, str>]) -> &'static str {
    let has = |method| operation(Some(method), segments).is_some();
    match (has(Method::Post), has(Method::Delete)) {
        (false, false) => "GET",
        (false, true) => "GET, DELETE",
        (true, false) => "GET, POST",
        (true, true) => "GET, POST, DELETE",
    }
}

/// What the API says of a segment that is no SID of its kind.
fn invalid(kind: SidKind) -> Problem {
    match kind {
        SidKind::Service => Code::ServiceSid.into(),
        SidKind::Session => Code::SessionSid.into(),
        SidKind::Participant => Code::ParticipantSid.into(),
        SidKind::Interaction => Code::InteractionSid.into(),
        SidKind::PhoneNumber => Code::PhoneNumberSid.into(),
        SidKind::ShortCode => Code::ShortCodeSid.into(),
        SidKind::Account | SidKind::ApiKey => Problem::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::Route;
    use crate::backend::error::Code;
    use crate::backend::error::Problem;
    use crate::policy::endpoint::Endpoint;
    use crate::policy::endpoint::OPERATIONS;

    fn endpoint(method: &str, path: &str) -> Result<Endpoint, Problem> {
        Route::find(method, path).map(|route| route.endpoint)
    }

    fn path(template: &str) -> String {
        let hex = "0".repeat(32);
        template.replace("|name", "").replace('{', "").replace('}', &hex)
    }

    #[test]
    fn every_operation_is_found_with_and_without_its_suffix() {
        for operation in &OPERATIONS {
            let path = path(&operation.path());
            let method = operation.method.as_str();
            for path in [path.clone(), format!("{path}.json"), format!("{path}/")] {
                assert_eq!(endpoint(method, &path), Ok(operation.endpoint), "{path}");
            }
        }
    }

    #[test]
    fn a_method_that_a_path_does_not_have_names_those_it_has() {
        let wrong = |method, template| endpoint(method, &path(template));
        let allow = |methods| Err(Problem::MethodNotAllowed(methods));
        assert_eq!(wrong("PUT", "/v1/Services"), allow("GET, POST"));
        assert_eq!(wrong("HEAD", "/v1/Services/{KS}"), allow("GET, POST, DELETE"));
        let interactions = "/v1/Services/{KS}/Sessions/{KC}/Interactions";
        assert_eq!(wrong("POST", interactions), allow("GET"));
        assert_eq!(wrong("post", &format!("{interactions}/{{KI}}")), allow("GET, DELETE"));
    }

    #[test]
    fn other_paths_are_not_found() {
        for path in ["", "/", "*", "/v1", "/v2/Services", "/v1//Services", "/v1/services"] {
            assert_eq!(endpoint("GET", path), Err(Problem::NotFound), "{path}");
        }
        assert_eq!(endpoint("GET", "/v1/Services/%ff"), Err(Problem::NotFound));
    }

    #[test]
    fn a_segment_that_is_no_sid_is_named_by_its_kind() {
        let wrong = |template| Route::find("POST", &path(template)).unwrap().check();
        assert_eq!(wrong("/v1/Services/x"), Err(Code::ServiceSid.into()));
        assert_eq!(wrong("/v1/Services/{KS}/Sessions/x"), Err(Code::SessionSid.into()));
        let number = "/v1/Services/{KS}/PhoneNumbers/PNx";
        assert_eq!(wrong(number), Err(Code::PhoneNumberSid.into()));
        assert_eq!(wrong("/v1/Services/x/PhoneNumbers/y"), Err(Code::ServiceSid.into()));
        assert_eq!(wrong("/v1/Services/{KS}"), Ok(()));
    }

    #[test]
    fn a_name_is_decoded_and_may_end_in_json() {
        let route = Route::find("GET", "/v1/Services/a%2Fb+c%20%F0%9F%9A%95.json").unwrap();
        assert_eq!(route.names().collect::<Vec<_>>(), ["a/b+c 🚕.json", "a/b+c 🚕"]);
    }
}
