//! Cases with small changes: whatever is sent, nothing reaches the upstream but what two strict
//! parsers agree about, and each answer is that to its request (promises A1 to A4).
//!
//! `.ci/run mutate` sends a million of them, with another seed each time.

use std::fs;
use std::io::Write;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use crate::Lane;
use crate::case;
use crate::case::Case;
use crate::case::Step;
use crate::client::PATIENCE;
use crate::client::connect;
use crate::client::show;
use crate::expand::Names;
use crate::judge;
use crate::message::Ended;
use crate::message::Kind;
use crate::message::Message;
use crate::message::Wire;
use crate::mutation::mutated;
use crate::reading;
use crate::reading::Request;
use crate::upstream::Record;
use crate::verdict::is_envelope;

/// How many are sent where nothing else is asked for.
const COUNT: usize = 20_000;
const SEED: u64 = 0x6d61_736b;
/// More at once than there are processors: most of the time is spent waiting.
const LANES: usize = 8;
/// Refused windows are of no interest here.
const LIMITS: &str = "unmatched: reject\n  mode: off";
/// Larger cases are about sizes, and slow.
const MAX_BYTES: usize = 6 * 1024;
/// How long nothing may come before the client ends its half.
const QUIET: Duration = Duration::from_millis(30);

/// A case's lines and where it stands.
type Template = (String, case::Lines);

/// What became of all of them.
#[derive(Default)]
struct Tally {
    forwarded: AtomicUsize,
    refused: AtomicUsize,
    silent: AtomicUsize,
}

/// What came of one mutated case.
struct Outcome {
    bytes: Vec<u8>,
    answers: Vec<Message>,
    record: Record,
    ended: Option<Ended>,
}

#[test]
fn no_mutated_request_is_read_in_two_ways() {
    let given = |name| std::env::var(name).ok();
    let count = given("MASKGATE_MUTATIONS").map_or(COUNT, |count| count.parse().unwrap());
    let seed = given("MASKGATE_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    println!("MASKGATE_SEED={seed}");
    let (templates, tally) = (templates(), Tally::default());
    let numbers: Vec<usize> = (1..=count).collect();
    let begun = now();
    let failed = crate::play_all(&numbers, LANES, LIMITS, |lane, number| {
        let own_seed = seed.wrapping_add(u64::try_from(*number).unwrap());
        let mut rng = fastrand::Rng::with_seed(own_seed);
        // What is refused as it stands is mostly refused when it is changed.
        let of = &templates[usize::from(rng.u8(..) < 64)];
        let outcome = play(lane, &of[rng.usize(..of.len())], *number, &mut rng);
        tally.count(&outcome);
        let mut faults = outcome.faults();
        if !faults.is_empty() {
            faults.push(format!("sent: \"{}\"", outcome.bytes.escape_ascii()));
        }
        faults
    });
    let taken = begun.elapsed();
    let rate = u128::try_from(count).unwrap() * 1000 / taken.as_millis().max(1);
    println!("{count} in {taken:.1?}, {rate} a second: {tally}");
    crate::report(
        count,
        failed
            .iter()
            .map(|(at, faults)| crate::describe("mutation", &at.to_string(), faults))
            .collect(),
    );
    assert!(tally.forwarded.into_inner() > count / 4, "most are refused: they say little");
}

#[expect(clippy::disallowed_methods, reason = "the time that the test itself takes")]
fn now() -> Instant {
    Instant::now()
}

/// The cases whose upstream answers by itself: those of which something is forwarded, and others.
fn templates() -> [Vec<Template>; 2] {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/cases");
    let mut templates = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let name = path.file_name().unwrap().to_str().unwrap();
            templates.extend(case::blocks(name, &fs::read_to_string(&path).unwrap()).unwrap());
        }
    }
    templates.sort();
    templates.retain(|template| {
        let case = read(template, 1);
        case.reply.is_none() && !case.unmatched && bytes(&case).len() < MAX_BYTES
    });
    let (good, bad) =
        templates.into_iter().partition(|template| !read(template, 1).requests.is_empty());
    [good, bad]
}

fn read(template: &Template, number: usize) -> Case {
    Case::read(number, template.0.clone(), &template.1).unwrap()
}

fn bytes(case: &Case) -> Vec<u8> {
    let writes = case.client.iter().filter_map(|step| match step {
        Step::Write(bytes) => Some(bytes.as_slice()),
        Step::AwaitInterim(_) | Step::AwaitAnswer => None,
    });
    writes.collect::<Vec<_>>().concat()
}

fn play(lane: &Lane, template: &Template, number: usize, rng: &mut fastrand::Rng) -> Outcome {
    let case = read(template, number);
    let mut bytes = mutated(&bytes(&case), std::iter::repeat_with(|| rng.u8(..)));
    bytes.extend(last_request(number));
    lane.upstream.begin(None);
    let mut wire = connect(lane.gateway.address);
    wire.stream.set_read_timeout(Some(QUIET)).unwrap();
    wire.last_word = Some(PATIENCE);
    let cut = if rng.u8(..) < 64 { rng.usize(..bytes.len()) } else { bytes.len() };
    for piece in [&bytes[..cut], &bytes[cut..]] {
        // A gateway that has refused may have closed already.
        drop(wire.stream.write_all(piece));
    }
    let answers = answers(&mut wire, &bytes);
    Outcome { bytes, answers, record: lane.upstream.take(), ended: wire.ended }
}

/// What makes the gateway close a connection that is in order.
fn last_request(number: usize) -> Vec<u8> {
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

impl Outcome {
    fn faults(&self) -> Vec<String> {
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

impl Tally {
    fn count(&self, outcome: &Outcome) {
        let count = |counter: &AtomicUsize, does: bool| {
            counter.fetch_add(usize::from(does), Ordering::Relaxed);
        };
        let is_own = |answer: &Message| answer.first("x-maskgate-decision").is_some();
        let own = outcome.answers.iter().any(is_own);
        count(&self.forwarded, outcome.answers.iter().any(|answer| !is_own(answer)));
        count(&self.refused, own);
        count(&self.silent, outcome.answers.is_empty());
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [forwarded, refused, silent] =
            [&self.forwarded, &self.refused, &self.silent].map(|n| n.load(Ordering::Relaxed));
        write!(
            f,
            "in {forwarded} something was forwarded, in {refused} something was refused, \
             {silent} were not answered"
        )
    }
}
