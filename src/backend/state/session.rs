//! Who talks to whom, and how long? A session, its participants and its interactions.

use std::time::Duration;

use super::room::weight;
use super::table::Table;
use crate::backend::moment::Moment;
use crate::backend::words::Mode;
use crate::backend::words::Status;
use crate::sid::Sid;

/// How long a closed session is kept: 90 days.
const KEPT: Duration = Duration::from_hours(90 * 24);

/// One session of a service.
pub(crate) struct Session {
    pub(crate) sid: Sid,
    pub(crate) unique_name: Option<String>,
    pub(crate) mode: Mode,
    pub(crate) status: Status,
    /// Why it is closed; empty while it is not.
    pub(crate) closed_reason: &'static str,
    /// Seconds; 0 is without end.
    pub(crate) ttl: u32,
    /// From when `ttl` is measured.
    pub(crate) ttl_from: Moment,
    /// Counts instead of `ttl`.
    pub(crate) date_expiry: Option<Moment>,
    pub(crate) started: Option<Moment>,
    pub(crate) ended: Option<Moment>,
    pub(crate) last_interaction: Option<Moment>,
    pub(crate) created: Moment,
    pub(crate) updated: Moment,
    pub(crate) participants: Table<Participant>,
    pub(crate) interactions: Table<Interaction>,
}

impl Session {
    pub(crate) fn is_open(&self) -> bool {
        self.status != Status::Closed
    }

    /// When an open session ends by itself.
    pub(crate) fn expiry(&self) -> Option<Moment> {
        let ttl = Duration::from_secs(self.ttl.into());
        self.date_expiry.or_else(|| (!ttl.is_zero()).then(|| self.ttl_from.plus(ttl)))
    }

    /// When something happens to it by itself: it expires, or is deleted at last.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        match self.ended.filter(|_| !self.is_open()) {
            Some(ended) => Some(ended.plus(KEPT)),
            None => self.expiry(),
        }
    }

    /// The participants that are not deleted.
    pub(crate) fn active(&self) -> impl Iterator<Item = &Participant> {
        self.participants.iter().filter(|participant| participant.deleted.is_none())
    }

    /// The participant of that SID, unless it is deleted.
    pub(crate) fn participant(&self, sid: Sid) -> Option<&Participant> {
        self.participants.get(sid).filter(|participant| participant.deleted.is_none())
    }

    /// Moves the session's own dates to an interaction.
    pub(crate) fn interacted(&mut self, now: Moment) {
        self.status = Status::InProgress;
        self.started = self.started.or(Some(now));
        self.last_interaction = Some(now);
        self.ttl_from = now;
        self.updated = now;
    }

    /// What it weighs with everything in it.
    pub(crate) fn weight(&self) -> usize {
        let participants = self.participants.iter().map(Participant::weight);
        let interactions = self.interactions.iter().map(Interaction::weight);
        participants.chain(interactions).fold(self.own_weight(), usize::saturating_add)
    }

    /// What it weighs without what is in it.
    pub(crate) fn own_weight(&self) -> usize {
        weight(self.unique_name.as_ref().map_or(0, String::len))
    }
}

/// Somebody in a session. A deleted one stays, so that it cannot be added again.
pub(crate) struct Participant {
    pub(crate) sid: Sid,
    pub(crate) identifier: String,
    pub(crate) friendly_name: Option<String>,
    /// The number or short code that stands between it and the other one.
    pub(crate) proxy: Sid,
    pub(crate) proxy_text: String,
    pub(crate) deleted: Option<Moment>,
    pub(crate) created: Moment,
    pub(crate) updated: Moment,
}

impl Participant {
    pub(crate) fn weight(&self) -> usize {
        let name = self.friendly_name.as_ref().map_or(0, String::len);
        weight(self.identifier.len().saturating_add(name))
    }
}

/// A message that was sent to a participant. Without a phone network there are no others.
pub(crate) struct Interaction {
    pub(crate) sid: Sid,
    /// To whom.
    pub(crate) participant: Sid,
    /// `SM…`, or `MM…` with media.
    pub(crate) resource: String,
    /// What was sent, as JSON.
    pub(crate) data: String,
    pub(crate) created: Moment,
}

impl Interaction {
    pub(crate) const fn weight(&self) -> usize {
        weight(self.data.len())
    }
}
