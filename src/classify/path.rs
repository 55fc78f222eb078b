//! Which operation does a path name? Segments against the table of operations.

use std::borrow::Cow;

use crate::classify::Alias;
use crate::classify::MethodSet;
use crate::classify::Unroutable;
use crate::classify::name;
use crate::policy::endpoint::Endpoint;
use crate::policy::endpoint::MAX_SEGMENTS;
use crate::policy::endpoint::OPERATIONS;
use crate::policy::endpoint::Operation;
use crate::policy::endpoint::Segment;
use crate::sid;
use crate::sid::Sid;
use crate::sid::SidKind;

/// Where a service stands in every path that has one: `/v1/Services/{here}`.
const SERVICE_SEGMENT: usize = 2;

/// A path that was recognised.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) service: Option<ServicePart<'a>>,
}

impl Route<'_> {
    /// A path that is forwarded although the API does not have it.
    pub(super) const UNMATCHED: Self = Self { endpoint: Endpoint::Unmatched, service: None };
}

/// How the path names its service.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ServicePart<'a> {
    Sid(Sid),
    Name(Cow<'a, str>),
}

/// One segment, with the SID that it spells, if it does.
#[derive(Clone, Copy, Default)]
struct Part<'a> {
    text: &'a str,
    sid: Option<Sid>,
}

/// Finds the operation of `method` and `path`.
pub(super) fn route<'a>(method: &str, path: &'a str) -> Result<Route<'a>, Unroutable> {
    let mut parts = [Part::default(); MAX_SEGMENTS];
    let parts = split(path, &mut parts).ok_or_else(|| refusal(path))?;
    let mut allowed = MethodSet::default();
    let mut by_name = None;
    for operation in OPERATIONS.iter().filter(|o| o.template.len() == parts.len()) {
        let is_method = operation.method.as_str() == method;
        match fit(operation, parts) {
            Fit::Sids if is_method => {
                return Ok(Route { endpoint: operation.endpoint, service: service_sid(parts) });
            }
            Fit::Sids => allowed = allowed.with(operation.method),
            Fit::Name if is_method => by_name = Some(operation),
            Fit::Name | Fit::No => {}
        }
    }
    if let Some(operation) = by_name {
        return named(operation, parts).map_err(Unroutable::SecondSpelling);
    }
    if allowed.is_empty() {
        Err(refusal(path))
    } else {
        Err(Unroutable::MethodNotAllowed(allowed))
    }
}

/// The path's segments; none when it has more than any operation.
fn split<'p, 'a>(path: &'a str, parts: &'p mut [Part<'a>]) -> Option<&'p [Part<'a>]> {
    let mut segments = path.strip_prefix('/')?.split('/');
    let mut length = 0_usize;
    for (part, text) in parts.iter_mut().zip(&mut segments) {
        let sid = if text.len() == sid::TEXT_LENGTH { Sid::parse(text) } else { None };
        *part = Part { text, sid };
        length = length.saturating_add(1);
    }
    if segments.next().is_some() { None } else { parts.get(..length) }
}

/// How the segments fit a template of the same length.
enum Fit {
    No,
    /// Every identifier is a SID.
    Sids,
    /// The last identifier may be a name.
    Name,
}

fn fit(operation: &Operation, parts: &[Part<'_>]) -> Fit {
    let mut fit = Fit::Sids;
    for (segment, part) in operation.template.iter().zip(parts) {
        let is_sid_of = |kind| part.sid.is_some_and(|sid| sid.kind() == kind);
        match *segment {
            Segment::Literal(word) if part.text == word => {}
            Segment::Id(kind) if is_sid_of(kind) => {}
            Segment::IdOrName(kind) if is_sid_of(kind) => {}
            Segment::IdOrName(_) => fit = Fit::Name,
            Segment::Literal(_) | Segment::Id(_) => return Fit::No,
        }
    }
    fit
}

fn service_sid(parts: &[Part<'_>]) -> Option<ServicePart<'static>> {
    parts.get(SERVICE_SEGMENT)?.sid.map(ServicePart::Sid)
}

/// A fetch by unique name: of a service, or of a session within a service.
fn named<'a>(operation: &Operation, parts: &[Part<'a>]) -> Result<Route<'a>, Alias> {
    let (Some(Segment::IdOrName(kind)), Some(last)) = (operation.template.last(), parts.last())
    else {
        return Err(Alias::Encoded);
    };
    let name = name::unique_name(*kind, last.text)?;
    let is_service = *kind == SidKind::Service;
    let service = if is_service { Some(ServicePart::Name(name)) } else { service_sid(parts) };
    Ok(Route { endpoint: operation.endpoint, service })
}

/// What to say of a path that is no operation's: an alias is named, so that a person who wrote
/// it sees why it was refused.
fn refusal(path: &str) -> Unroutable {
    alias(path).map_or(Unroutable::UnknownPath, Unroutable::SecondSpelling)
}

fn alias(path: &str) -> Option<Alias> {
    let segments = || path.strip_prefix('/').unwrap_or(path).split('/');
    if path.contains('%') {
        Some(Alias::Encoded)
    } else if path.contains('\\') {
        Some(Alias::Separator)
    } else if path.contains(';') {
        Some(Alias::Parameter)
    } else if segments().any(|segment| segment == "." || segment == "..") {
        Some(Alias::DotSegment)
    } else if path.len() > 1 && segments().any(str::is_empty) {
        Some(Alias::EmptySegment)
    } else if !path.is_ascii() {
        Some(Alias::Malformed)
    } else {
        None
    }
}

/// Whether `unmatched: forward` may forward `path`: it has one spelling, and is not the API's in
/// any letter case, so that no operation escapes its own limit by being misspelt.
pub(super) fn is_canonical_and_foreign(path: &str) -> bool {
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/');
    let first = segments.next().unwrap_or("");
    let second = segments.next().unwrap_or("");
    let is_api = first.eq_ignore_ascii_case("v1")
        && second.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("services"));
    path.starts_with('/') && alias(path).is_none() && !is_api
}

#[cfg(test)]
mod tests {
    use super::Route;
    use super::ServicePart;
    use super::is_canonical_and_foreign;
    use super::route;
    use crate::classify::Alias;
    use crate::classify::Unroutable;
    use crate::policy::endpoint::Endpoint;
    use crate::policy::endpoint::OPERATIONS;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use proptest::prelude::ProptestConfig;
    use proptest::prelude::prop_assert;
    use proptest::prelude::prop_assert_eq;
    use proptest::proptest;

    fn text_of(kind: SidKind) -> String {
        Sid::new(kind, [0xab; 16]).to_string()
    }

    fn path_of(template: &str) -> String {
        let mut path = template.replace("|name", "");
        for kind in SidKind::ALL {
            path = path.replace(&format!("{{{}}}", kind.prefix()), &text_of(kind));
        }
        path
    }

    #[test]
    fn every_operation_is_found_by_its_method_and_path() {
        for operation in &OPERATIONS {
            let path = path_of(&operation.path());
            let found = route(operation.method.as_str(), &path).unwrap();
            assert_eq!(found.endpoint, operation.endpoint, "{path}");
            let service = Sid::new(SidKind::Service, [0xab; 16]);
            let named = operation.template.len() > 2;
            assert_eq!(found.service, named.then_some(ServicePart::Sid(service)), "{path}");
        }
    }

    #[test]
    fn another_method_on_a_known_path_names_those_that_are_allowed() {
        let service = path_of("/v1/Services/{KS}");
        for (method, path, allow) in [
            ("PUT", "/v1/Services", "GET, POST"),
            ("HEAD", "/v1/Services", "GET, POST"),
            ("OPTIONS", service.as_str(), "DELETE, GET, POST"),
            ("get", service.as_str(), "DELETE, GET, POST"),
        ] {
            match route(method, path) {
                Err(Unroutable::MethodNotAllowed(set)) => assert_eq!(set.to_string(), allow),
                other => panic!("{method} {path}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_unique_name_is_accepted_in_the_two_fetches_only() {
        let by_name = Ok(Route {
            endpoint: Endpoint::FetchService,
            service: Some(ServicePart::Name("my shop".into())),
        });
        assert_eq!(route("GET", "/v1/Services/my%20shop"), by_name);
        let session = path_of("/v1/Services/{KS}/Sessions/order%20%231");
        assert_eq!(route("GET", &session).unwrap().endpoint, Endpoint::FetchSession);
        for method in ["POST", "DELETE", "PUT"] {
            assert_eq!(route(method, "/v1/Services/shop"), Err(Unroutable::UnknownPath));
        }
        let below_a_name = "/v1/Services/shop/Sessions";
        assert_eq!(route("GET", below_a_name), Err(Unroutable::UnknownPath));
    }

    #[test]
    fn no_second_spelling_of_a_path_is_accepted() {
        let good = path_of("/v1/Services/{KS}/Sessions");
        for (spelling, alias) in [
            (format!("{good}/"), Alias::EmptySegment),
            (good.replacen('/', "//", 1), Alias::EmptySegment),
            (good.replace("/Sessions", "//Sessions"), Alias::EmptySegment),
            (good.replace("/Sessions", "/./Sessions"), Alias::DotSegment),
            (good.replace("/Sessions", "/x/../Sessions"), Alias::DotSegment),
            (good.replace("Sessions", "Session%73"), Alias::Encoded),
            (good.replace("/Sessions", "%2FSessions"), Alias::Encoded),
            (good.replace("KS", "%4BS"), Alias::Encoded),
            (format!("{good};a=b"), Alias::Parameter),
            (good.replace("/Sessions", "\\Sessions"), Alias::Separator),
        ] {
            let refused = Err(Unroutable::SecondSpelling(alias));
            assert_eq!(route("POST", &spelling), refused, "{spelling}");
        }
        for spelling in [
            format!("{good}.json"),
            good.replace("Sessions", "sessions"),
            good.replace("v1", "V1"),
        ] {
            assert_eq!(route("POST", &spelling), Err(Unroutable::UnknownPath), "{spelling}");
        }
    }

    #[test]
    fn what_is_no_path_of_the_api_is_unknown() {
        for path in ["", "/", "*", "/v1", "/v2/Services", "/v1/Services/a/b/c/d/e/f/g/h/i"] {
            assert_eq!(route("GET", path), Err(Unroutable::UnknownPath), "{path}");
        }
    }

    #[test]
    fn only_canonical_paths_outside_the_api_are_forwarded_unmatched() {
        assert!(is_canonical_and_foreign("/"));
        assert!(is_canonical_and_foreign("/v2/Other/thing"));
        for path in
            ["*", "/v1/Services/x", "/V1/services/x", "/v1/Services.json", "/a//b", "/%76"]
        {
            assert!(!is_canonical_and_foreign(path), "{path}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_path_is_answered_and_only_a_canonical_one_is_accepted(path in "/?(v1/Services/)?[ -~/%.;é]{0,60}") {
            if let Ok(found) = route("GET", &path) {
                prop_assert!(!path.contains(';') && !path.contains("//") && !path.ends_with('/'));
                // A fetch by name is the one operation whose path may hold an escape.
                if path.contains('%') {
                    prop_assert!([Endpoint::FetchService, Endpoint::FetchSession].contains(&found.endpoint));
                }
            }
        }

        #[test]
        fn a_changed_byte_never_names_the_same_operation_under_another_key(at in 0..79_usize, byte in 0x21..0x7f_u8) {
            let path = path_of("/v1/Services/{KS}/Sessions/{KC}");
            let mut changed = path.clone().into_bytes();
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            if let (Ok(one), Ok(other)) = (route("POST", &path), route("POST", &changed))
                && !path.eq_ignore_ascii_case(&changed)
            {
                // Another SID is another thing; everything else has to be spelt exactly.
                let in_a_sid = (15..47).contains(&at) || (59..91).contains(&at);
                prop_assert!(in_a_sid, "{} is taken for {}", changed, path);
                prop_assert_eq!(one.endpoint, other.endpoint);
            }
        }
    }
}
