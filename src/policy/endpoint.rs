//! Which operation of the API is it? A closed list from one table.
//!
//! Source: the API's description has 25 operations; the five on short codes left it in 2025-07
//! and are still sent by older SDKs. An *endpoint*, which is what a rate is counted for, is one
//! operation: a method and a path template, whatever SIDs stand in the path.

use std::fmt;

use crate::sid::SidKind;

/// One operation of the API, by the name that the API gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Endpoint {
    /// `GET /v1/Services`
    ListService,
    /// `POST /v1/Services`
    CreateService,
    /// `GET /v1/Services/{KS… or name}`
    FetchService,
    /// `POST /v1/Services/{KS…}`
    UpdateService,
    /// `DELETE /v1/Services/{KS…}`
    DeleteService,
    /// `GET /v1/Services/{KS…}/PhoneNumbers`
    ListPhoneNumber,
    /// `POST /v1/Services/{KS…}/PhoneNumbers`
    CreatePhoneNumber,
    /// `GET /v1/Services/{KS…}/PhoneNumbers/{PN…}`
    FetchPhoneNumber,
    /// `POST /v1/Services/{KS…}/PhoneNumbers/{PN…}`
    UpdatePhoneNumber,
    /// `DELETE /v1/Services/{KS…}/PhoneNumbers/{PN…}`
    DeletePhoneNumber,
    /// `GET /v1/Services/{KS…}/ShortCodes`
    ListShortCode,
    /// `POST /v1/Services/{KS…}/ShortCodes`
    CreateShortCode,
    /// `GET /v1/Services/{KS…}/ShortCodes/{SC…}`
    FetchShortCode,
    /// `POST /v1/Services/{KS…}/ShortCodes/{SC…}`
    UpdateShortCode,
    /// `DELETE /v1/Services/{KS…}/ShortCodes/{SC…}`
    DeleteShortCode,
    /// `GET /v1/Services/{KS…}/Sessions`
    ListSession,
    /// `POST /v1/Services/{KS…}/Sessions`
    CreateSession,
    /// `GET /v1/Services/{KS…}/Sessions/{KC… or name}`
    FetchSession,
    /// `POST /v1/Services/{KS…}/Sessions/{KC…}`
    UpdateSession,
    /// `DELETE /v1/Services/{KS…}/Sessions/{KC…}`
    DeleteSession,
    /// `GET /v1/Services/{KS…}/Sessions/{KC…}/Participants`
    ListParticipant,
    /// `POST /v1/Services/{KS…}/Sessions/{KC…}/Participants`
    CreateParticipant,
    /// `GET /v1/Services/{KS…}/Sessions/{KC…}/Participants/{KP…}`
    FetchParticipant,
    /// `DELETE /v1/Services/{KS…}/Sessions/{KC…}/Participants/{KP…}`
    DeleteParticipant,
    /// `GET /v1/Services/{KS…}/Sessions/{KC…}/Interactions`
    ListInteraction,
    /// `GET /v1/Services/{KS…}/Sessions/{KC…}/Interactions/{KI…}`
    FetchInteraction,
    /// `DELETE /v1/Services/{KS…}/Sessions/{KC…}/Interactions/{KI…}`
    DeleteInteraction,
    /// `GET /v1/Services/{KS…}/Sessions/{KC…}/Participants/{KP…}/MessageInteractions`
    ListMessageInteraction,
    /// `POST /v1/Services/{KS…}/Sessions/{KC…}/Participants/{KP…}/MessageInteractions`
    CreateMessageInteraction,
    /// `GET /v1/Services/{KS…}/Sessions/{KC…}/Participants/{KP…}/MessageInteractions/{KI…}`
    FetchMessageInteraction,
    /// What is none of the API's operations and is forwarded all the same, under
    /// `unmatched: forward`.
    Unmatched,
}

impl Endpoint {
    /// How many there are, [`Endpoint::Unmatched`] included.
    pub const COUNT: usize = OPERATIONS.len() + 1;

    /// Every endpoint, in the order of their [`index`](Self::index).
    pub const ALL: [Self; Self::COUNT] = [
        Self::ListService,
        Self::CreateService,
        Self::FetchService,
        Self::UpdateService,
        Self::DeleteService,
        Self::ListPhoneNumber,
        Self::CreatePhoneNumber,
        Self::FetchPhoneNumber,
        Self::UpdatePhoneNumber,
        Self::DeletePhoneNumber,
        Self::ListShortCode,
        Self::CreateShortCode,
        Self::FetchShortCode,
        Self::UpdateShortCode,
        Self::DeleteShortCode,
        Self::ListSession,
        Self::CreateSession,
        Self::FetchSession,
        Self::UpdateSession,
        Self::DeleteSession,
        Self::ListParticipant,
        Self::CreateParticipant,
        Self::FetchParticipant,
        Self::DeleteParticipant,
        Self::ListInteraction,
        Self::FetchInteraction,
        Self::DeleteInteraction,
        Self::ListMessageInteraction,
        Self::CreateMessageInteraction,
        Self::FetchMessageInteraction,
        Self::Unmatched,
    ];

    /// A small number for arrays with one place for each endpoint: below [`Self::COUNT`].
    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The operation's name in the API's own description, such as `CreateSession`.
    pub fn name(self) -> &'static str {
        self.operation().map_or("Unmatched", |operation| operation.name)
    }

    /// The operation of this name; names are compared exactly.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.name() == name)
    }

    /// The row of the table; none for [`Endpoint::Unmatched`].
    pub fn operation(self) -> Option<&'static Operation> {
        OPERATIONS.get(self.index())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The methods that the API knows. There is no PUT, PATCH or HEAD: updates are POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes or changes.
    Post,
    /// Removes.
    Delete,
}

impl Method {
    /// The method's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }

    /// The method of this name; names are case-sensitive (RFC 9110 §9.1).
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Get, Self::Post, Self::Delete].into_iter().find(|method| method.as_str() == name)
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Which endpoint it is.
    pub endpoint: Endpoint,
    /// Its name in the API.
    pub name: &'static str,
    /// Its method.
    pub method: Method,
    /// Its path, segment by segment.
    pub template: &'static [Segment],
}

impl Operation {
    /// The path template as text, such as `/v1/Services/{KS}`.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for segment in self.template {
            path.push('/');
            match segment {
                Segment::Literal(text) => path.push_str(text),
                Segment::Id(kind) => path.extend(["{", kind.prefix(), "}"]),
                Segment::IdOrName(kind) => path.extend(["{", kind.prefix(), "|name}"]),
            }
        }
        path
    }
}

/// What one segment of a path has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Exactly this word.
    Literal(&'static str),
    /// A SID of this kind.
    Id(SidKind),
    /// A SID of this kind, or the unique name of such a thing. Only `FetchService` and
    /// `FetchSession` have one: in the API's description these two alone have no pattern.
    IdOrName(SidKind),
}

/// The most segments that a template has.
pub const MAX_SEGMENTS: usize = 9;

const fn operation(
    endpoint: Endpoint,
    name: &'static str,
    method: Method,
    template: &'static [Segment],
) -> Operation {
    Operation { endpoint, name, method, template }
}

/// Every operation, in the order of [`Endpoint::index`].
pub const OPERATIONS: [Operation; 30] = [
    operation(Endpoint::ListService, "ListService", Method::Get, template::SERVICES),
    operation(Endpoint::CreateService, "CreateService", Method::Post, template::SERVICES),
    operation(Endpoint::FetchService, "FetchService", Method::Get, template::SERVICE_OR_NAME),
    operation(Endpoint::UpdateService, "UpdateService", Method::Post, template::SERVICE),
    operation(Endpoint::DeleteService, "DeleteService", Method::Delete, template::SERVICE),
    operation(
        Endpoint::ListPhoneNumber,
        "ListPhoneNumber",
        Method::Get,
        template::PHONE_NUMBERS,
    ),
    operation(
        Endpoint::CreatePhoneNumber,
        "CreatePhoneNumber",
        Method::Post,
        template::PHONE_NUMBERS,
    ),
    operation(
        Endpoint::FetchPhoneNumber,
        "FetchPhoneNumber",
        Method::Get,
        template::PHONE_NUMBER,
    ),
    operation(
        Endpoint::UpdatePhoneNumber,
        "UpdatePhoneNumber",
        Method::Post,
        template::PHONE_NUMBER,
    ),
    operation(
        Endpoint::DeletePhoneNumber,
        "DeletePhoneNumber",
        Method::Delete,
        template::PHONE_NUMBER,
    ),
    operation(Endpoint::ListShortCode, "ListShortCode", Method::Get, template::SHORT_CODES),
    operation(
        Endpoint::CreateShortCode,
        "CreateShortCode",
        Method::Post,
        template::SHORT_CODES,
    ),
    operation(Endpoint::FetchShortCode, "FetchShortCode", Method::Get, template::SHORT_CODE),
    operation(Endpoint::UpdateShortCode, "UpdateShortCode", Method::Post, template::SHORT_CODE),
    operation(
        Endpoint::DeleteShortCode,
        "DeleteShortCode",
        Method::Delete,
        template::SHORT_CODE,
    ),
    operation(Endpoint::ListSession, "ListSession", Method::Get, template::SESSIONS),
    operation(Endpoint::CreateSession, "CreateSession", Method::Post, template::SESSIONS),
    operation(Endpoint::FetchSession, "FetchSession", Method::Get, template::SESSION_OR_NAME),
    operation(Endpoint::UpdateSession, "UpdateSession", Method::Post, template::SESSION),
    operation(Endpoint::DeleteSession, "DeleteSession", Method::Delete, template::SESSION),
    operation(
        Endpoint::ListParticipant,
        "ListParticipant",
        Method::Get,
        template::PARTICIPANTS,
    ),
    operation(
        Endpoint::CreateParticipant,
        "CreateParticipant",
        Method::Post,
        template::PARTICIPANTS,
    ),
    operation(
        Endpoint::FetchParticipant,
        "FetchParticipant",
        Method::Get,
        template::PARTICIPANT,
    ),
    operation(
        Endpoint::DeleteParticipant,
        "DeleteParticipant",
        Method::Delete,
        template::PARTICIPANT,
    ),
    operation(
        Endpoint::ListInteraction,
        "ListInteraction",
        Method::Get,
        template::INTERACTIONS,
    ),
    operation(
        Endpoint::FetchInteraction,
        "FetchInteraction",
        Method::Get,
        template::INTERACTION,
    ),
    operation(
        Endpoint::DeleteInteraction,
        "DeleteInteraction",
        Method::Delete,
        template::INTERACTION,
    ),
    operation(
        Endpoint::ListMessageInteraction,
        "ListMessageInteraction",
        Method::Get,
        template::MESSAGE_INTERACTIONS,
    ),
    operation(
        Endpoint::CreateMessageInteraction,
        "CreateMessageInteraction",
        Method::Post,
        template::MESSAGE_INTERACTIONS,
    ),
    operation(
        Endpoint::FetchMessageInteraction,
        "FetchMessageInteraction",
        Method::Get,
        template::MESSAGE_INTERACTION,
    ),
];

mod template {
    use super::Segment;
    use super::Segment::Id;
    use super::Segment::IdOrName;
    use super::Segment::Literal;
    use crate::sid::SidKind;

    pub(super) const SERVICES: &[Segment] = &[Literal("v1"), Literal("Services")];
    pub(super) const SERVICE: &[Segment] =
        &[Literal("v1"), Literal("Services"), Id(SidKind::Service)];
    pub(super) const SERVICE_OR_NAME: &[Segment] =
        &[Literal("v1"), Literal("Services"), IdOrName(SidKind::Service)];
    pub(super) const PHONE_NUMBERS: &[Segment] =
        &[Literal("v1"), Literal("Services"), Id(SidKind::Service), Literal("PhoneNumbers")];
    pub(super) const PHONE_NUMBER: &[Segment] = &[
        Literal("v1"),
        Literal("Services"),
        Id(SidKind::Service),
        Literal("PhoneNumbers"),
        Id(SidKind::PhoneNumber),
    ];
    pub(super) const SHORT_CODES: &[Segment] =
        &[Literal("v1"), Literal("Services"), Id(SidKind::Service), Literal("ShortCodes")];
    pub(super) const SHORT_CODE: &[Segment] = &[
        Literal("v1"),
        Literal("Services"),
        Id(SidKind::Service),
        Literal("ShortCodes"),
        Id(SidKind::ShortCode),
    ];
    pub(super) const SESSIONS: &[Segment] =
        &[Literal("v1"), Literal("Services"), Id(SidKind::Service), Literal("Sessions")];
    pub(super) const SESSION: &[Segment] = &[
        Literal("v1"),
        Literal("Services"),
        Id(SidKind::Service),
        Literal("Sessions"),
        Id(SidKind::Session),
    ];
    pub(super) const SESSION_OR_NAME: &[Segment] = &[
        Literal("v1"),
        Literal("Services"),
        Id(SidKind::Service),
        Literal("Sessions"),
        IdOrName(SidKind::Session),
    ];
    pub(super) const PARTICIPANTS: &[Segment] = &[
        Literal("v1"),
        Literal("Services"),
        Id(SidKind::Service),
        Literal("Sessions"),
        Id(SidKind::Session),
        Literal("Participants"),
    ];
    pub(super) const PARTICIPANT: &[Segment] = &[
        Literal("v1"),
        Literal("Services"),
        Id(SidKind::Service),
        Literal("Sessions"),
        Id(SidKind::Session),
        Literal("Participants"),
        Id(SidKind::Participant),
    ];
    pub(super) const INTERACTIONS: &[Segment] = &[
        Literal("v1"),
        Literal("Services"),
        Id(SidKind::Service),
        Literal("Sessions"),
        Id(SidKind::Session),
        Literal("Interactions"),
    ];
    pub(super) const INTERACTION: &[Segment] = &[
        Literal("v1"),
        Literal("Services"),
        Id(SidKind::Service),
        Literal("Sessions"),
        Id(SidKind::Session),
        Literal("Interactions"),
        Id(SidKind::Interaction),
    ];
    pub(super) const MESSAGE_INTERACTIONS: &[Segment] = &[
        Literal("v1"),
        Literal("Services"),
        Id(SidKind::Service),
        Literal("Sessions"),
        Id(SidKind::Session),
        Literal("Participants"),
        Id(SidKind::Participant),
        Literal("MessageInteractions"),
    ];
    pub(super) const MESSAGE_INTERACTION: &[Segment] = &[
        Literal("v1"),
        Literal("Services"),
        Id(SidKind::Service),
        Literal("Sessions"),
        Id(SidKind::Session),
        Literal("Participants"),
        Id(SidKind::Participant),
        Literal("MessageInteractions"),
        Id(SidKind::Interaction),
    ];
}

#[cfg(test)]
mod tests {
    use super::Endpoint;
    use super::MAX_SEGMENTS;
    use super::OPERATIONS;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, endpoint) in Endpoint::ALL.into_iter().enumerate() {
            assert_eq!(endpoint.index(), index);
            assert_eq!(Endpoint::by_name(endpoint.name()), Some(endpoint));
            if let Some(operation) = endpoint.operation() {
                assert_eq!(operation.endpoint, endpoint);
            }
        }
    }

    #[test]
    fn no_two_operations_share_a_method_and_a_path() {
        for (index, one) in OPERATIONS.iter().enumerate() {
            assert!(one.template.len() <= MAX_SEGMENTS);
            for other in &OPERATIONS[index + 1..] {
                assert!(one.method != other.method || one.path() != other.path());
            }
        }
    }
}
