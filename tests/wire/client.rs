//! The client: it says what a case says, byte for byte, and hears what comes of it.

use std::io;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

use crate::case::Case;
use crate::case::Connection;
use crate::case::Outcome;
use crate::case::Step;
use crate::expand::Names;
use crate::message::Ended;
use crate::message::Kind;
use crate::message::Message;
use crate::message::Wire;
use crate::message::latin;

/// How long anything may take before the case has failed; well above the gateway's own limits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);

/// What a client heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) answers: Vec<Message>,
    pub(crate) interims: Vec<u16>,
    /// Whether the gateway closed before the client ended its half.
    pub(crate) closed: bool,
    pub(crate) faults: Vec<String>,
}

struct Talk<'a> {
    case: &'a Case,
    wire: Wire,
    heard: Heard,
}

/// Plays a case against the gateway at `address`.
pub(crate) fn play(case: &Case, address: SocketAddr) -> Heard {
    let mut talk = Talk { case, wire: connect(address), heard: Heard::default() };
    for step in &case.client {
        match step {
            Step::Write(bytes) => talk.write(bytes),
            Step::AwaitInterim(status) => talk.interim(*status),
            Step::AwaitAnswer => talk.answer(),
        }
    }
    if case.ends {
        drop(talk.wire.stream.shutdown(Shutdown::Write));
    }
    while talk.heard.answers.len() < case.answers.len() && talk.goes_on() {
        talk.answer();
    }
    talk.end();
    talk.heard
}

/// Asks on a connection of its own whether the gateway still serves: what is wrong, if anything.
pub(crate) fn probe(number: usize, address: SocketAddr) -> Option<String> {
    probe_on(&mut connect(address), number)
}

pub(crate) fn connect(address: SocketAddr) -> Wire {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    Wire::new(stream)
}

fn probe_on(wire: &mut Wire, number: usize) -> Option<String> {
    let (id, request) = Names::probe(number);
    drop(wire.stream.write_all(&request));
    match wire.read(Kind::Answer) {
        Some(answer) if answer.first("x-upstream-id") == Some(&id) => None,
        Some(answer) => Some(format!("a request behind it is answered {}", show(&answer))),
        None => Some(format!("a request behind it is not answered: {:?}", wire.ended)),
    }
}

impl Talk<'_> {
    fn goes_on(&self) -> bool {
        self.wire.ended.is_none()
    }

    /// A gateway that has refused may have closed already: that is no fault of the write.
    fn write(&mut self, bytes: &[u8]) {
        let mut pieces = bytes.chunks(if self.case.bytewise { 1 } else { bytes.len().max(1) });
        let written: io::Result<()> =
            pieces.try_for_each(|piece| self.wire.stream.write_all(piece));
        drop(written);
    }

    fn interim(&mut self, status: u16) {
        match self.wire.read(Kind::Answer) {
            Some(message) if message.status() == status => self.heard.interims.push(status),
            Some(message) => self.keep(message),
            None => self.heard.faults.push(format!("no {status}: {:?}", self.wire.ended)),
        }
    }

    fn answer(&mut self) {
        let at = self.heard.answers.len();
        let to_head = self.case.answers.get(at).is_some_and(|answer| answer.to_head);
        let kind = if to_head { Kind::AnswerToHead } else { Kind::Answer };
        match self.wire.read(kind) {
            Some(message)
                if (100..200).contains(&message.status()) && message.status() != 101 =>
            {
                self.heard.interims.push(message.status());
            }
            Some(message) => self.keep(message),
            None => {}
        }
    }

    fn keep(&mut self, message: Message) {
        self.heard.answers.push(message);
    }

    /// Whether the last answer is one that may come: what is behind another is of no interest.
    fn went_well(&self) -> bool {
        let mut pairs = self.case.answers.iter().zip(&self.heard.answers);
        pairs.next_back().is_none_or(|(wanted, answer)| {
            answer.whole && wanted.outcomes.contains(&Outcome::Whole(answer.status()))
        })
    }

    fn end(&mut self) {
        let may_be_silent =
            self.case.answers.iter().any(|a| a.outcomes.contains(&Outcome::None));
        match self.case.connection {
            Some(Connection::Open) => {
                self.heard.faults.extend(probe_on(&mut self.wire, self.case.number));
            }
            Some(Connection::Closed) => {}
            None => {
                // Whether it was closed already is of no interest.
                drop(self.wire.stream.shutdown(Shutdown::Write));
            }
        }
        if self.case.connection != Some(Connection::Open) && self.went_well() {
            let rest = self.wire.rest();
            if !rest.is_empty() {
                self.heard.faults.push(format!("more than was to come: {:?}", latin(&rest)));
            }
        }
        self.heard.closed = self.wire.ended == Some(Ended::Closed);
        if self.wire.ended == Some(Ended::TimedOut) && !may_be_silent {
            self.heard.faults.push("the gateway left the client waiting".to_owned());
        }
    }
}

pub(crate) fn show(message: &Message) -> String {
    let mut text = format!("{:?} {:?}", message.start, latin(&message.body));
    text.truncate(text.floor_char_boundary(300));
    text
}
