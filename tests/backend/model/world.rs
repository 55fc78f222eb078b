//! What there is, as plain lists.

#[derive(Debug)]
pub(super) struct Number {
    pub(super) sid: String,
    pub(super) text: String,
    pub(super) reserved: bool,
}

#[derive(Debug)]
pub(super) struct Participant {
    pub(super) sid: String,
    pub(super) identifier: String,
    pub(super) number: String,
    pub(super) deleted: bool,
    pub(super) written_to: bool,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) sid: String,
    pub(super) name: Option<String>,
    pub(super) status: &'static str,
    pub(super) ttl: u64,
    pub(super) ttl_from: u64,
    pub(super) ended: u64,
    pub(super) participants: Vec<Participant>,
    /// The SID of each message, and whom it went to.
    pub(super) messages: Vec<(String, String)>,
}

#[derive(Debug)]
pub(super) struct Service {
    pub(super) sid: String,
    pub(super) name: String,
    pub(super) numbers: Vec<Number>,
    pub(super) sessions: Vec<Session>,
}

impl Session {
    pub(super) fn open(&self) -> bool {
        self.status != "closed"
    }

    pub(super) fn active(&self) -> impl Iterator<Item = &Participant> {
        self.participants.iter().filter(|participant| !participant.deleted)
    }
}

impl Service {
    /// Whether a person has a number in an open session.
    pub(super) fn busy(&self, identifier: &str, number: &str) -> bool {
        self.sessions.iter().filter(|session| session.open()).any(|session| {
            session.active().any(|p| p.identifier == identifier && p.number == number)
        })
    }

    pub(super) fn in_use(&self, number: &str) -> usize {
        let uses = |session: &&Session| session.active().any(|p| p.number == number);
        self.sessions.iter().filter(|session| session.open()).filter(uses).count()
    }

    /// What a person gets who asks for no number.
    pub(super) fn choice(&self, identifier: &str) -> u64 {
        let unreserved: Vec<_> =
            self.numbers.iter().filter(|number| !number.reserved).collect();
        let busy = |number: &&Number| self.busy(identifier, &number.text);
        match (self.numbers.len(), unreserved.len()) {
            (0, _) => 80205,
            (_, 0) => 80207,
            _ if unreserved.iter().all(busy) => 80206,
            _ => 0,
        }
    }
}
