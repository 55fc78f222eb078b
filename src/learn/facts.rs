//! The facts themselves: identifiers and numbers, and one name that is hashed at once.

use crate::sid::Sid;

/// What one answer tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// The account that all of it belongs to; none where the answer is an empty list.
    pub account: Option<Sid>,
    /// Of what, and what.
    pub facts: Facts,
    /// Where it is a page of a list: the address of the next one.
    pub next_page: Option<String>,
    /// Whether it is a list with no other page.
    pub is_whole_list: bool,
}

/// Facts about resources of one kind: those of a page, or a single one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Facts {
    /// Services.
    Services(Vec<ServiceFact>),
    /// Phone numbers or short codes of one service.
    Numbers(Vec<NumberFact>),
    /// Sessions of one service.
    Sessions(Vec<SessionFact>),
    /// Participants of one session.
    Participants(Vec<ParticipantFact>),
    /// Nothing but whose they are.
    Interactions,
}

/// A service and its name.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceFact {
    /// `KS…`
    pub sid: Sid,
    /// A client's own text: to be hashed, never to be shown.
    pub unique_name: String,
}

/// A number in the pool of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberFact {
    /// `PN…` or `SC…`
    pub sid: Sid,
    /// Which pool it is in.
    pub is_reserved: bool,
    /// In how many open sessions it is, where the answer says so.
    pub in_use: Option<u32>,
}

/// A session and whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionFact {
    /// `KC…`
    pub sid: Sid,
    /// Not closed and not failed.
    pub is_active: bool,
}

/// A participant and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParticipantFact {
    /// `KP…`
    pub sid: Sid,
    /// `KC…`
    pub session: Sid,
    /// The proxy number's `PN…`; none where it has none yet.
    pub number: Option<Sid>,
    /// Not deleted.
    pub is_active: bool,
}

impl std::fmt::Debug for ServiceFact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceFact").field("sid", &self.sid).finish_non_exhaustive()
    }
}
