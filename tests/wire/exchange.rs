//! Any bytes at all to the gateway, and what came of them: nothing reaches the upstream but what a
//! second, strict parser reads in them, and each answer is that to its request.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use crate::client::PATIENCE;
use crate::client::connect;
use crate::client::show;
use crate::expand::Names;
use crate::judge;
use crate::message::Ended;
use crate::message::Kind;
use crate::message::Message;
use crate::message::Wire;
use crate::reading;
use crate::reading::Request;
use crate::upstream::Record;
use crate::upstream::Upstream;
use crate::verdict::is_envelope;

/// How long nothing may come before the client ends its half.
const QUIET: Duration = Duration::from_millis(30);

/// What came of some bytes.
pub(crate) struct Exchange {
    pub(crate) bytes: Vec<u8>,
    pub(crate) answers: Vec<Message>,
    record: Record,
    ended: Option<Ended>,
}

/// What makes the gateway close a connection that is in order.
pub(crate) fn last_request(number: usize) -> Vec<u8> {
    let (service, auth) = Names::new(number).service_and_auth();
    let request = format!(
        "GET {service} HTTP/1.1\r\nHost: gate\r\nAuthorization: {auth}\r\n\
         X-Request-Id: w{number:04}-last\r\nConnection: close\r\n\r\n"
    );
    request.into_bytes()
}

/// Every answer, up to one to HEAD: whether that has a body hangs on what the gateway took for
/// the method.
fn answers(wire: &mut Wire, bytes: &[u8]) -> Vec<Message> {
    let (requests, _) = reading::requests(bytes);
    let mut answers = Vec::new();
    loop {
        let is_head =
            requests.get(answers.len()).is_some_and(|request| request.method == "HEAD");
        match wire.read(if is_head { Kind::AnswerToHead } else { Kind::Answer }) {
            Some(interim) if interim.status() == 100 => {}
            Some(answer) => answers.push(answer),
            None => return answers,
        }
        if is_head {
            drop(wire.rest());
            return answers;
        }
    }
}

impl Exchange {
    /// Has a client say `bytes`, in two pieces, to the gateway that is in front of `upstream`.
    pub(crate) fn play(
        upstream: &Upstream,
        gateway: SocketAddr,
        bytes: Vec<u8>,
        cut: usize,
    ) -> Self {
        upstream.begin(None);
        let mut wire = connect(gateway);
        wire.stream.set_read_timeout(Some(QUIET)).unwrap();
        wire.last_word = Some(PATIENCE);
        for piece in [&bytes[..cut], &bytes[cut..]] {
            // A gateway that has refused may have closed already.
            drop(wire.stream.write_all(piece));
        }
        let answers = answers(&mut wire, &bytes);
        Self { bytes, answers, record: upstream.take(), ended: wire.ended }
    }

    /// Everything that is wrong.
    pub(crate) fn faults(&self) -> Vec<String> {
        let (readings, _) = reading::requests(&self.bytes);
        let seen: Vec<_> =
            self.record.requests.iter().filter(|r| !is_late(r, &self.bytes)).collect();
        let mut faults: Vec<String> = Vec::new();
        faults
            .extend(self.record.faults.iter().map(|fault| format!("at the upstream: {fault}")));
        faults.extend(unread(&readings, &seen));
        faults.extend(self.answers.iter().flat_map(|answer| self.faults_of(answer)));
        faults.extend(self.foreign(&seen));
        if self.answers.len() > readings.len() + 1 {
            faults.push(format!(
                "{} answers to {} requests",
                self.answers.len(),
                readings.len()
            ));
        }
        if self.ended == Some(Ended::TimedOut) {
            faults.push("the gateway left the client waiting".to_owned());
        }
        faults
    }

    fn faults_of(&self, answer: &Message) -> Vec<String> {
        let is_old = self.bytes.windows(8).any(|window| window == b"HTTP/1.0");
        let mut faults = judge::of_answer(answer, is_old);
        let is_own = answer.first("x-maskgate-decision").is_some();
        let is_head = self.bytes.windows(5).any(|window| window == b"HEAD ");
        if is_own && !is_head && !is_envelope(&answer.body, answer.status()) {
            faults.push(format!("no answer in the API's form: {}", show(answer)));
        }
        if (!answer.whole && !is_head) || [500, 502, 504].contains(&answer.status()) {
            faults.push(format!("answered {}", show(answer)));
        }
        faults
    }

    /// The answers of the upstream are those to the requests that it saw, in their order.
    fn foreign(&self, seen: &[&Message]) -> Option<String> {
        let answered: Vec<_> =
            self.answers.iter().filter_map(|answer| answer.first("x-upstream-id")).collect();
        let asked: Vec<_> =
            seen.iter().map(|seen| seen.first("x-request-id").unwrap()).collect();
        (!asked.starts_with(&answered))
            .then(|| format!("{answered:?} are answers to {asked:?}"))
    }
}

/// Whether it was still on its way when the case that it belongs to had been judged, as the
/// client had ended its half: it has an id of another case.
fn is_late(request: &Message, bytes: &[u8]) -> bool {
    let id = request.first("x-request-id").unwrap_or_default();
    let is_here = bytes.windows(id.len().max(1)).any(|window| window == id.as_bytes());
    id.starts_with('w') && id.contains('-') && !is_here
}

/// What the upstream saw and the strict reader does not see in the client's bytes.
fn unread(readings: &[Request], seen: &[&Message]) -> Option<String> {
    let mut readings = readings.iter();
    let strange = seen.iter().find(|seen| !readings.any(|reading| is_same(reading, seen)));
    strange.map(|strange| format!("nobody asked for {}", show(strange)))
}

fn is_same(reading: &Request, seen: &Message) -> bool {
    let mut words = seen.start.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap_or_default());
    let is_target = reading.target == target
        || reading.target.strip_suffix(target).is_some_and(|before| before.contains("://"));
    reading.method == method && is_target && reading.body == seen.body
}
