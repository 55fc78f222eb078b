//! What is in a pool? A service's phone numbers and short codes.

use super::room::weight;
use crate::backend::moment::Moment;
use crate::sid::Sid;

/// One number or short code of a service's pool.
pub(crate) struct Number {
    pub(crate) sid: Sid,
    /// A number in E.164, or the digits of a short code.
    pub(crate) text: String,
    pub(crate) reserved: bool,
    /// The open sessions that use it.
    pub(crate) in_use: u32,
    pub(crate) created: Moment,
    pub(crate) updated: Moment,
}

impl Number {
    pub(crate) const fn new(sid: Sid, text: String, reserved: bool, now: Moment) -> Self {
        Self { sid, text, reserved, in_use: 0, created: now, updated: now }
    }

    pub(crate) const fn weight(&self) -> usize {
        weight(self.text.len())
    }
}
