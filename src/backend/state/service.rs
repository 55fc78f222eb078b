//! What does a service hold? Its settings, its pool, its sessions, and who uses which number.
//!
//! **Invariant:** `in_use` of a number and the tallies of a person are those of the sessions
//! as they stand. Only the functions of this file change them.

use std::collections::HashMap;

use super::number::Number;
use super::room::weight;
use super::session::Session;
use super::table::Table;
use crate::backend::moment::Moment;
use crate::backend::words::GeoMatch;
use crate::backend::words::Selection;
use crate::backend::words::Status;
use crate::sid::Sid;
use crate::sid::SidKind;

/// One service of an account.
pub(crate) struct Service {
    pub(crate) sid: Sid,
    pub(crate) settings: Settings,
    pub(crate) created: Moment,
    pub(crate) updated: Moment,
    pub(crate) phone_numbers: Table<Number>,
    pub(crate) short_codes: Table<Number>,
    pub(crate) sessions: Table<Session>,
    /// The session of each unique name.
    pub(crate) names: HashMap<String, Sid>,
    people: HashMap<String, Person>,
    /// Counts the uses of numbers, to tell the latest.
    uses: u64,
}

/// What a caller may set of a service.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    pub(crate) unique_name: String,
    pub(crate) default_ttl: u32,
    pub(crate) callback_url: Option<String>,
    pub(crate) geo_match: GeoMatch,
    pub(crate) selection: Selection,
    pub(crate) intercept_callback_url: Option<String>,
    pub(crate) out_of_session_callback_url: Option<String>,
    pub(crate) chat_instance_sid: Option<String>,
}

impl Settings {
    pub(crate) fn weight(&self) -> usize {
        let urls = [
            &self.callback_url,
            &self.intercept_callback_url,
            &self.out_of_session_callback_url,
        ];
        let lengths = urls.into_iter().flatten().map(String::len);
        weight(lengths.fold(self.unique_name.len(), usize::saturating_add))
    }
}

/// Which numbers an identifier has in the sessions that there are.
pub(crate) type Person = HashMap<Sid, Tally>;

/// The sessions that bring an identifier and a number together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Those in which it is an active participant and that are open: at most one is made.
    pub(crate) open: u32,
    /// All, the closed ones and those that it was deleted from included.
    pub(crate) all: u32,
    /// Greater is later.
    pub(crate) last: u64,
}

impl Service {
    pub(crate) fn new(sid: Sid, settings: Settings, now: Moment) -> Self {
        Self {
            sid,
            settings,
            created: now,
            updated: now,
            phone_numbers: Table::default(),
            short_codes: Table::default(),
            sessions: Table::default(),
            names: HashMap::new(),
            people: HashMap::new(),
            uses: 0,
        }
    }

    /// What it weighs with everything in it.
    pub(crate) fn weight(&self) -> usize {
        let numbers = self.numbers().map(Number::weight);
        let sessions = self.sessions.iter().map(Session::weight);
        numbers.chain(sessions).fold(self.settings.weight(), usize::saturating_add)
    }

    /// The whole pool.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = &Number> {
        self.phone_numbers.iter().chain(self.short_codes.iter())
    }

    /// The phone numbers, or the short codes.
    pub(crate) fn pool(&self, kind: SidKind) -> &Table<Number> {
        if kind == SidKind::ShortCode { &self.short_codes } else { &self.phone_numbers }
    }

    pub(crate) fn pool_mut(&mut self, kind: SidKind) -> &mut Table<Number> {
        if kind == SidKind::ShortCode { &mut self.short_codes } else { &mut self.phone_numbers }
    }

    /// The numbers that an identifier has or had.
    pub(crate) fn person(&self, identifier: &str) -> Option<&Person> {
        self.people.get(identifier)
    }

    /// Whether a number serves an identifier in an open session.
    pub(crate) fn is_busy(&self, identifier: &str, number: Sid) -> bool {
        let tally = self.person(identifier).and_then(|person| person.get(&number));
        tally.is_some_and(|tally| tally.open > 0)
    }

    /// A participant comes into an open session.
    pub(crate) fn join(&mut self, session: Sid, identifier: &str, number: Sid) {
        self.uses = self.uses.saturating_add(1);
        let person = self.people.entry(identifier.to_owned()).or_default();
        let tally = person.entry(number).or_default();
        tally.all = tally.all.saturating_add(1);
        tally.open = tally.open.saturating_add(1);
        tally.last = self.uses;
        if self.users(session, number) == 0 {
            self.use_number(number, true);
        }
    }

    /// A participant that has been deleted has left an open session.
    pub(crate) fn leave(&mut self, session: Sid, identifier: &str, number: Sid) {
        self.set_open(identifier, number, false);
        if self.users(session, number) == 0 {
            self.use_number(number, false);
        }
    }

    /// Ends an open session.
    pub(crate) fn close(&mut self, session: Sid, reason: &'static str, at: Moment) {
        self.hold_numbers(session, false);
        if let Some(session) = self.sessions.get_mut(session) {
            session.status = Status::Closed;
            session.closed_reason = reason;
            session.ended = Some(at);
            session.updated = at;
        }
    }

    /// Opens a closed session again.
    pub(crate) fn reopen(&mut self, session: Sid, now: Moment) {
        self.hold_numbers(session, true);
        if let Some(session) = self.sessions.get_mut(session) {
            session.status = Status::InProgress;
            session.closed_reason = "";
            session.ended = None;
            session.started = session.started.or(Some(now));
            session.ttl_from = now;
        }
    }

    /// Forgets a session and everything in it.
    pub(crate) fn remove_session(&mut self, sid: Sid) -> Option<Session> {
        if self.sessions.get(sid)?.is_open() {
            self.hold_numbers(sid, false);
        }
        let session = self.sessions.remove(sid)?;
        if let Some(name) = &session.unique_name {
            self.names.remove(name);
        }
        for participant in session.participants.iter() {
            self.forget(&participant.identifier, participant.proxy);
        }
        Some(session)
    }

    /// Counts a session's active participants as open or as closed.
    fn hold_numbers(&mut self, session: Sid, open: bool) {
        let Some(session) = self.sessions.get(session) else { return };
        let pairs: Vec<(String, Sid)> = session
            .active()
            .map(|participant| (participant.identifier.clone(), participant.proxy))
            .collect();
        let mut numbers: Vec<Sid> = pairs.iter().map(|(_, number)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for (identifier, number) in pairs {
            self.set_open(&identifier, number, open);
        }
        for number in numbers {
            self.use_number(number, open);
        }
    }

    /// The active participants of a session that have a number.
    fn users(&self, session: Sid, number: Sid) -> usize {
        self.sessions.get(session).map_or(0, |session| {
            session.active().filter(|participant| participant.proxy == number).count()
        })
    }

    fn use_number(&mut self, number: Sid, more: bool) {
        if let Some(number) = self.pool_mut(number.kind()).get_mut(number) {
            number.in_use = stepped(number.in_use, more);
        }
    }

    fn set_open(&mut self, identifier: &str, number: Sid, open: bool) {
        let person = self.people.get_mut(identifier);
        if let Some(tally) = person.and_then(|person| person.get_mut(&number)) {
            tally.open = stepped(tally.open, open);
        }
    }

    fn forget(&mut self, identifier: &str, number: Sid) {
        let Some(person) = self.people.get_mut(identifier) else { return };
        if let Some(tally) = person.get_mut(&number) {
            tally.all = stepped(tally.all, false);
            if tally.all == 0 {
                person.remove(&number);
            }
        }
        if person.is_empty() {
            self.people.remove(identifier);
        }
    }
}

const fn stepped(count: u32, up: bool) -> u32 {
    if up { count.saturating_add(1) } else { count.saturating_sub(1) }
}
