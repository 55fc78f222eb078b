//! Of what is the answer? What the path of its request names.

use crate::policy::endpoint::Endpoint;
use crate::policy::endpoint::Method;
use crate::policy::endpoint::Segment;
use crate::policy::pools::NumberKind;
use crate::sid::Sid;
use crate::sid::SidKind;

/// Where a path says of which kind its numbers are: `/v1/Services/{KS}/{here}`.
const NUMBERS: usize = 3;

/// The operation, and the identifiers in its path; what is named otherwise is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The operation.
    pub endpoint: Endpoint,
    /// `KS…`
    pub service: Option<Sid>,
    /// `KC…`
    pub session: Option<Sid>,
    /// `KP…`
    pub participant: Option<Sid>,
    /// `PN…` or `SC…`
    pub number: Option<Sid>,
}

impl Subject {
    /// Whether the operation may put a number into a pool.
    pub fn fills_a_pool(&self) -> bool {
        let operation = self.endpoint.operation();
        self.numbers().is_some()
            && operation.is_some_and(|operation| operation.method == Method::Post)
    }

    /// Whether the operation may change which numbers are in a pool.
    pub fn changes_a_pool(&self) -> bool {
        let operation = self.endpoint.operation();
        self.numbers().is_some()
            && operation.is_some_and(|operation| operation.method != Method::Get)
    }

    /// Of which kind its numbers are, where it is about numbers.
    pub fn numbers(&self) -> Option<NumberKind> {
        match self.endpoint.operation()?.template.get(NUMBERS)? {
            Segment::Literal("PhoneNumbers") => Some(NumberKind::PhoneNumber),
            Segment::Literal("ShortCodes") => Some(NumberKind::ShortCode),
            Segment::Literal(_) | Segment::Id(_) | Segment::IdOrName(_) => None,
        }
    }

    /// What a path of this operation names. Of a path that is no operation's it is nothing.
    pub fn of(endpoint: Endpoint, path: &str) -> Self {
        let mut subject =
            Self { endpoint, service: None, session: None, participant: None, number: None };
        let Some(operation) = endpoint.operation() else { return subject };
        let segments = path.strip_prefix('/').unwrap_or(path).split('/');
        for (segment, text) in operation.template.iter().zip(segments) {
            let (Segment::Id(kind) | Segment::IdOrName(kind)) = *segment else { continue };
            let sid = Sid::parse_as(kind, text);
            match kind {
                SidKind::Service => subject.service = sid,
                SidKind::Session => subject.session = sid,
                SidKind::Participant => subject.participant = sid,
                SidKind::PhoneNumber | SidKind::ShortCode => subject.number = sid,
                SidKind::Account | SidKind::ApiKey | SidKind::Interaction => {}
            }
        }
        subject
    }
}

#[cfg(test)]
mod tests {
    use super::Subject;
    use crate::policy::endpoint::Endpoint;
    use crate::sid::Sid;
    use crate::sid::SidKind;

    #[test]
    fn a_path_names_what_its_segments_spell() {
        let sid = |kind| Sid::new(kind, [0xab; 16]);
        let (service, session) = (sid(SidKind::Service), sid(SidKind::Session));
        let participant = sid(SidKind::Participant);
        let path =
            format!("/v1/Services/{service}/Sessions/{session}/Participants/{participant}");
        let subject = Subject::of(Endpoint::FetchParticipant, &path);
        assert_eq!(subject.service, Some(service));
        assert_eq!(subject.session, Some(session));
        assert_eq!(subject.participant, Some(participant));
        assert_eq!(subject.number, None);
    }

    #[test]
    fn what_adds_or_moves_a_number_may_fill_a_pool() {
        let fills = |endpoint| Subject::of(endpoint, "").fills_a_pool();
        assert!(fills(Endpoint::CreatePhoneNumber) && fills(Endpoint::UpdateShortCode));
        assert!(!fills(Endpoint::DeletePhoneNumber) && !fills(Endpoint::ListShortCode));
        assert!(!fills(Endpoint::CreateSession) && !fills(Endpoint::Unmatched));
        let changes = |endpoint| Subject::of(endpoint, "").changes_a_pool();
        assert!(changes(Endpoint::DeletePhoneNumber) && changes(Endpoint::UpdateShortCode));
        assert!(!changes(Endpoint::ListPhoneNumber) && !changes(Endpoint::DeleteSession));
    }

    #[test]
    fn a_name_is_no_identifier_and_a_foreign_path_names_nothing() {
        let by_name = Subject::of(Endpoint::FetchService, "/v1/Services/orders");
        assert_eq!(by_name.service, None);
        let service = Sid::new(SidKind::Service, [1; 16]);
        let foreign = Subject::of(Endpoint::Unmatched, &format!("/v2/Services/{service}"));
        assert_eq!(foreign.service, None);
    }
}
