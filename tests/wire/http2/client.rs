//! The client: it sends a case's frames while it reads whatever comes.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::thread;

use crate::client::PATIENCE;
use crate::client::connect;
use crate::expand::Names;
use crate::http2::case::Case;
use crate::http2::case::Outcome;
use crate::http2::case::Step;
use crate::http2::frames;
use crate::http2::frames::Frame;
use crate::message::Wire;
use crate::message::latin;
use crate::verdict::is_envelope;

/// A setting that leaves the other side's table of fields no room, so that statuses are spelt
/// out.
const SETTINGS: &[u8] = &[0, 1, 0, 0, 0, 0];

#[derive(Debug, Default)]
struct Answer {
    block: Vec<u8>,
    body: Vec<u8>,
    ended: bool,
    reset: Option<u32>,
}

struct Talk<'a> {
    case: &'a Case,
    stream: TcpStream,
    frames: Receiver<Frame>,
    answers: BTreeMap<u32, Answer>,
    goaway: Option<u32>,
    pings: usize,
    ended: bool,
    faults: Vec<String>,
}

/// Plays a case: what is wrong with what comes of it.
pub(super) fn play(case: &Case, address: SocketAddr) -> Vec<String> {
    let wire = connect(address);
    let mut talk = Talk {
        case,
        stream: wire.stream.try_clone().unwrap(),
        frames: reading(wire),
        answers: BTreeMap::new(),
        goaway: None,
        pings: 0,
        ended: false,
        faults: Vec::new(),
    };
    if !case.raw {
        talk.greet();
    }
    for step in &case.client {
        match step {
            Step::Write(bytes) => talk.write(bytes),
            Step::Await(stream) => talk.until(|talk| talk.has_ended(*stream)),
        }
    }
    talk.until(|talk| talk.case.streams.keys().all(|stream| talk.has_ended(*stream)));
    talk.judge();
    drop(talk.stream.shutdown(Shutdown::Both));
    talk.faults
}

/// Reads on a thread of its own, so that neither side waits for the other to read.
fn reading(mut wire: Wire) -> Receiver<Frame> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        while let Some(frame) = Frame::read(&mut wire) {
            if tell.send(frame).is_err() {
                break;
            }
        }
    });
    told
}

impl Talk<'_> {
    fn write(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes));
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let frame = Frame { kind, flags, stream, payload: payload.to_vec(), length: None };
        self.write(&frame.encode());
    }

    fn greet(&mut self) {
        self.write(frames::PREFACE);
        self.send(4, 0, 0, SETTINGS);
        // The other side's settings come first, and are acknowledged once.
        match self.frames.recv_timeout(PATIENCE) {
            Ok(frame) if frame.kind == 4 && frame.flags & frames::ACK == 0 => {}
            other => self.faults.push(format!("no settings first: {other:?}")),
        }
        self.send(4, frames::ACK, 0, &[]);
    }

    /// Takes frames until `done`, or the connection's end.
    fn until(&mut self, done: impl Fn(&Self) -> bool) {
        while !done(self) && !self.ended {
            match self.frames.recv_timeout(PATIENCE) {
                Ok(frame) => self.take(&frame),
                Err(mpsc::RecvTimeoutError::Disconnected) => self.ended = true,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    self.faults.push("the gateway left the client waiting".to_owned());
                    return;
                }
            }
        }
    }

    fn has_ended(&self, stream: u32) -> bool {
        self.answers.get(&stream).is_some_and(|answer| answer.ended || answer.reset.is_some())
    }

    fn take(&mut self, frame: &Frame) {
        let answer = self.answers.entry(frame.stream).or_default();
        match frame.kind {
            0 => answer.body.extend(frame.content()),
            1 | 9 if answer.block.is_empty() => answer.block.extend(frame.content()),
            3 => answer.reset = frame.number(0),
            5 => self.faults.push("a push".to_owned()),
            6 if frame.flags & frames::ACK != 0 => self.pings += 1,
            7 => self.goaway = frame.number(4),
            _ => {}
        }
        if frame.kind < 2 && frame.flags & frames::END_STREAM != 0 {
            answer.ended = true;
        }
    }

    fn judge(&mut self) {
        for (stream, wanted) in &self.case.streams {
            let fault = self.mismatch(*stream, wanted);
            self.faults.extend(fault);
        }
        if self.case.open {
            self.probe();
        }
        if let Some(errors) = &self.case.closed {
            self.until(|_| false);
            let fits =
                self.goaway.is_none_or(|error| errors.is_empty() || errors.contains(&error));
            if !fits {
                self.faults.push(format!("GOAWAY {:?}, not {errors:?}", self.goaway));
            }
        }
    }

    fn mismatch(&self, stream: u32, wanted: &[Outcome]) -> Option<String> {
        let answer = self.answers.get(&stream);
        let status = answer.and_then(|answer| frames::status(&answer.block));
        let reset = answer.and_then(|answer| answer.reset);
        let whole = answer.is_some_and(|answer| answer.ended);
        let fits = |outcome: &Outcome| match outcome {
            Outcome::Status(wanted) => whole && status == Some(*wanted),
            Outcome::Reset(None) => reset.is_some(),
            Outcome::Reset(error) => reset == *error,
            Outcome::Refused => match status {
                Some(status) => (400..500).contains(&status),
                None => reset.is_some() || self.ended,
            },
        };
        if !wanted.iter().any(fits) {
            let body = answer.map(|answer| latin(&answer.body));
            return Some(format!(
                "stream {stream}: {status:?} {body:?}, reset {reset:?}, GOAWAY {:?}; not {wanted:?}",
                self.goaway
            ));
        }
        let body = &answer?.body;
        let own = self.case.ids.get(&stream).map(|id| format!("{{\"id\":\"{id}\"}}"));
        let is_known = match status {
            Some(200) => own.is_none_or(|own| own.as_bytes() == *body),
            // What is too large is answered below the gateway, in its stead.
            Some(431) => true,
            Some(status @ 400..) => is_envelope(body, status),
            Some(_) | None => true,
        };
        (!is_known).then(|| format!("stream {stream}: {status:?} {:?}", latin(body)))
    }

    /// A ping and a request on the same connection.
    fn probe(&mut self) {
        let (stream, pings) = (self.case.last_stream + 2, self.pings);
        let (service, auth) = Names::new(self.case.number).service_and_auth();
        let id = format!("w{:04}-probe", self.case.number);
        let fields = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "gate"),
            (":path", service.as_str()),
            ("authorization", auth.as_str()),
            ("x-request-id", id.as_str()),
        ];
        let block =
            fields.map(|(name, value)| frames::field(name.as_bytes(), value.as_bytes()));
        self.send(6, 0, 0, b"maskgate");
        self.send(1, frames::END_STREAM | frames::END_HEADERS, stream | 1, &block.concat());
        self.until(|talk| talk.has_ended(stream | 1) && talk.pings > pings);
        let fault = self.mismatch(stream | 1, &[Outcome::Status(200)]);
        self.faults.extend(fault.map(|fault| format!("a request behind it: {fault}")));
    }
}
