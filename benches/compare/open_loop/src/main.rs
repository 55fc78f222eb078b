//! How long do answers take when so many requests a second come, whatever the answers take?
//!
//! ```text
//! open_loop ADDRESS RATE SECONDS CONNECTIONS FIRST SERVICES AUTHORIZATION
//! ```
//!
//! Each connection is a thread with a schedule of its own. **Invariant:** a latency counts from the
//! moment at which its request was due, not from when it could be sent: a request that had to
//! wait for the answer before it has waited, as a client in the real world would have. (A client that
//! counts from the sending asks less just when the server is slow, and tells too little.)
//!
//! RATE × SECONDS GETs are sent, for the services from FIRST on, SERVICES of them in turn. What is said,
//! as one object of JSON, is percentiles of microseconds: of the latency, and of how late this
//! program itself woke up for a request whose connection was free.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program of its own that measures time and prints it"
)]

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::process::ExitCode;
use std::str::FromStr;
use std::thread;
use std::time::Duration;
use std::time::Instant;

/// After so many times its SECONDS a run ends, whatever was not yet sent.
const AT_MOST: u32 = 2;
/// An answer has to come within.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be asked.
#[derive(Clone, Debug)]
struct Plan {
    address: SocketAddr,
    rate: u32,
    seconds: u32,
    connections: u32,
    first: u32,
    services: u32,
    authorization: String,
}

/// What one connection saw.
#[derive(Debug, Default)]
struct Seen {
    latencies: Vec<u64>,
    late: Vec<u64>,
    statuses: BTreeMap<u16, u32>,
    last: Duration,
}

/// Why there is no result.
#[derive(Debug)]
enum Fault {
    Usage,
    Io(io::Error),
    Answer(String),
}

impl From<io::Error> for Fault {
    fn from(fault: io::Error) -> Self {
        Self::Io(fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage => f.write_str(
                "open_loop ADDRESS RATE SECONDS CONNECTIONS FIRST SERVICES AUTHORIZATION",
            ),
            Self::Io(fault) => write!(f, "{fault}"),
            Self::Answer(line) => write!(f, "not an answer with a length: {line:?}"),
        }
    }
}

fn main() -> ExitCode {
    match Plan::of(env::args().skip(1)).ok_or(Fault::Usage).and_then(|plan| run(&plan)) {
        Ok(result) => {
            println!("{result}");
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("open_loop: {fault}");
            ExitCode::FAILURE
        }
    }
}

impl Plan {
    fn of(mut words: impl Iterator<Item = String>) -> Option<Self> {
        fn next<T: FromStr>(words: &mut impl Iterator<Item = String>) -> Option<T> {
            words.next()?.parse().ok()
        }
        let plan = Self {
            address: next(&mut words)?,
            rate: next(&mut words)?,
            seconds: next(&mut words)?,
            connections: next(&mut words)?,
            first: next(&mut words)?,
            services: next(&mut words)?,
            authorization: words.next()?,
        };
        let counts = [plan.rate, plan.seconds, plan.connections, plan.services];
        (words.next().is_none() && counts.iter().all(|count| *count > 0)).then_some(plan)
    }

    /// The bytes of request `number`.
    fn request(&self, number: u32) -> String {
        let service = self.first.wrapping_add(number.checked_rem(self.services).unwrap_or(0));
        format!(
            "GET /v1/Services/KS{service:032x} HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n\r\n",
            self.address, self.authorization
        )
    }

    /// When request `number` is due.
    fn due(&self, number: u32) -> Duration {
        Duration::from_secs_f64(f64::from(number) / f64::from(self.rate))
    }
}

/// Sends all that is planned.
fn run(plan: &Plan) -> Result<String, Fault> {
    // A sleep of a thread ends 50 µs late by default; threads inherit what is set here. Where it
    // cannot be set, the result tells by `late`.
    drop(fs::write("/proc/self/timerslack_ns", "1"));
    let streams = (0..plan.connections).map(|_| TcpStream::connect(plan.address));
    let streams = streams.collect::<Result<Vec<_>, _>>()?;
    let begun = Instant::now();
    let threads: Vec<_> = (0..)
        .zip(streams)
        .map(|(number, stream)| {
            let plan = plan.clone();
            thread::spawn(move || connection(&plan, number, stream, begun))
        })
        .collect();
    let mut all = Seen::default();
    for thread in threads {
        let died = |_| Fault::Answer("a thread has died".to_owned());
        all.add(thread.join().map_err(died)??);
    }
    Ok(all.told())
}

/// Sends every request of one connection: `number`, and each one `connections` later.
fn connection(
    plan: &Plan,
    mut number: u32,
    mut stream: TcpStream,
    begun: Instant,
) -> Result<Seen, Fault> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let all = plan.rate.saturating_mul(plan.seconds);
    let end = Duration::from_secs(plan.seconds.saturating_mul(AT_MOST).into());
    let mut seen = Seen::default();
    while number < all && begun.elapsed() < end {
        let request = plan.request(number);
        let due = plan.due(number);
        let early = due.saturating_sub(begun.elapsed());
        if !early.is_zero() {
            thread::sleep(early);
            seen.late.push(micros(begun.elapsed().saturating_sub(due)));
        }
        stream.write_all(request.as_bytes())?;
        let status = answer(&mut answers)?;
        seen.last = begun.elapsed();
        seen.latencies.push(micros(seen.last.saturating_sub(due)));
        let count = seen.statuses.entry(status).or_default();
        *count = count.saturating_add(1);
        number = number.saturating_add(plan.connections);
    }
    Ok(seen)
}

/// Reads one answer to its end and tells its status.
fn answer(stream: &mut BufReader<TcpStream>) -> Result<u16, Fault> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| Fault::Answer(line.clone()))?;
    let mut length = None;
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok();
        }
    }
    let length: u64 = length.ok_or_else(|| Fault::Answer(format!("status {status}")))?;
    if io::copy(&mut stream.by_ref().take(length), &mut io::sink())? < length {
        return Err(Fault::Answer("one that breaks off".to_owned()));
    }
    Ok(status)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.late.extend(other.late);
        self.last = self.last.max(other.last);
        for (status, count) in other.statuses {
            let sum = self.statuses.entry(status).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// As JSON.
    fn told(mut self) -> String {
        self.latencies.sort_unstable();
        self.late.sort_unstable();
        let statuses: Vec<_> =
            self.statuses.iter().map(|(status, n)| format!("\"{status}\": {n}")).collect();
        format!(
            "{{\"sent\": {}, \"seconds\": {:.3}, \"statuses\": {{{}}}, \"latency\": {}, \"late\": {}}}",
            self.latencies.len(),
            self.last.as_secs_f64(),
            statuses.join(", "),
            percentiles(&self.latencies),
            percentiles(&self.late),
        )
    }
}

/// Of sorted numbers, as JSON.
fn percentiles(sorted: &[u64]) -> String {
    // Thousandths: the number that so many are not above.
    let at = |share: usize| {
        let index = sorted.len().saturating_mul(share).div_ceil(1000).saturating_sub(1);
        sorted.get(index).copied().unwrap_or_default()
    };
    format!(
        "{{\"p50\": {}, \"p99\": {}, \"p99.9\": {}, \"max\": {}}}",
        at(500),
        at(990),
        at(999),
        at(1000)
    )
}

#[cfg(test)]
mod tests {
    use super::percentiles;

    #[test]
    fn a_percentile_is_a_number_that_was_seen() {
        let thousand: Vec<u64> = (1..=1000).collect();
        let all = "{\"p50\": 500, \"p99\": 990, \"p99.9\": 999, \"max\": 1000}";
        assert_eq!(percentiles(&thousand), all);
        assert!(percentiles(&[7]).starts_with("{\"p50\": 7, \"p99\": 7"));
        assert!(percentiles(&[]).starts_with("{\"p50\": 0"));
    }
}
