//! What is told of numbers: one for the log, and all of a service for a page.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::sid::Sid;

/// More participants use a number than is advised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advisory {
    /// `KS…`
    pub service: Sid,
    /// `PN…` or `SC…`
    pub number: Sid,
    /// How many of them are known: more than `advised`.
    pub participants: u32,
    /// The open sessions that the number itself last spoke of, if it did.
    pub in_use: Option<u32>,
    /// How many there should be at most.
    pub advised: NonZeroU32,
}

/// The numbers of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The most used first: by participants, then by `in_use`. At most [`MOST_SHOWN`](crate::advise::MOST_SHOWN).
    pub numbers: Vec<NumberView>,
    /// How many are known beside them.
    pub left_out: usize,
}

/// One number: two figures that count different things, and come from different answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberView {
    /// `PN…` or `SC…`
    pub number: Sid,
    /// How many participants of active sessions are known to use it.
    pub participants: u32,
    /// The open sessions that it last spoke of itself.
    pub in_use: Option<InUse>,
}

/// The `in_use` of a number: its open sessions, whichever client made them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InUse {
    /// How many.
    pub sessions: u32,
    /// How long ago it was said.
    pub age: Duration,
}
