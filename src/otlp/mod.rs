//! What becomes of a span? It waits in a queue, goes into a batch, and is sent to a collector.
//!
//! OTLP over HTTP with protobuf (OpenTelemetry Protocol 1.x). Why so: `docs/design/0017-traces.md`.
//!
//! **Invariant:** whoever offers a span waits for nothing: a full queue drops it. Only one batch is
//! under way, and it is tried a bounded number of times. A span holds no text of a client but a
//! request id of a harmless alphabet; its names and words are those of closed lists.

mod batch;
mod collector;
mod message;
mod span;

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time;

use crate::policy::traces::Otlp;
use collector::Collector;
pub use span::Limit;
pub use span::Span;

/// The most spans of a batch: some 200 kB.
const BATCH: usize = 512;
/// How long a span waits for others to be sent with it.
const DELAY: Duration = Duration::from_secs(1);
/// How long a batch that could not be delivered waits before each further try; after the last it
/// is dropped.
const RETRIES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// Where spans are offered.
#[derive(Clone, Debug)]
pub struct Spans(mpsc::Sender<Span>);

/// Spans that wait for a batch.
#[derive(Debug)]
pub struct Waiting {
    queue: mpsc::Receiver<Span>,
    /// The batch that is gathered or sent.
    batch: Vec<Span>,
}

/// A queue of so many spans.
pub fn queue(most: NonZeroUsize) -> (Spans, Waiting) {
    let (sender, receiver) = mpsc::channel(most.get());
    (Spans(sender), Waiting { queue: receiver, batch: Vec::with_capacity(BATCH) })
}

impl Spans {
    /// Puts a span into the queue; answers whether there was room. Waits for nothing.
    pub fn offer(&self, span: Span) -> bool {
        self.0.try_send(span).is_ok()
    }
}

/// Why a batch was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No connection, or it broke.
    #[error("the collector cannot be reached")]
    Unreachable,
    /// No answer in time.
    #[error("the collector does not answer in time")]
    Late,
    /// It asks to be asked again: 429, 502, 503 or 504.
    #[error("the collector is busy: {0}")]
    Busy(u16),
    /// It does not want such a batch.
    #[error("the collector refuses: {0}")]
    Refused(u16),
    /// The file with the fields for it cannot be read, or says something else.
    #[error("the file with the collector's headers cannot be read")]
    NoHeaders,
    /// The gateway ends before it has been sent.
    #[error("the gateway has ended")]
    Ended,
}

impl Fault {
    /// Whether the same batch may be taken later (OTLP/HTTP, "Failures").
    const fn is_passing(self) -> bool {
        match self {
            Self::Unreachable | Self::Late | Self::Busy(_) | Self::NoHeaders => true,
            Self::Refused(_) | Self::Ended => false,
        }
    }
}

/// What became of spans, or of the way to the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// So many were taken.
    Exported(u64),
    /// So many were in a batch that was taken, and were not taken themselves.
    Rejected(u64),
    /// So many are dropped.
    Dropped(u64, Fault),
    /// Batches fail, for another reason than before.
    Failing(Fault),
    /// Batches are taken again.
    Recovered,
}

/// Sends what waits, until the last of those who offer spans has gone and all of it is sent or
/// dropped, but no longer than until `over`. Needs a runtime.
pub async fn export(
    otlp: Otlp,
    mut waiting: Waiting,
    over: impl Future<Output = ()>,
    tell: impl Fn(Event),
) {
    let exported = async {
        let mut exporter =
            Exporter { collector: Collector::new(otlp), failing: None, tell: &tell };
        while waiting.gather().await {
            exporter.deliver(&waiting.batch).await;
        }
    };
    tokio::select! {
        biased;
        () = exported => {}
        () = over => {}
    }
    let left = count(waiting.batch.len().saturating_add(waiting.queue.len()));
    if left > 0 {
        tell(Event::Dropped(left, Fault::Ended));
    }
}

fn count(spans: usize) -> u64 {
    u64::try_from(spans).unwrap_or(u64::MAX)
}

impl Waiting {
    /// Gathers the next batch: what comes within [`DELAY`] of its first span. False at the end.
    async fn gather(&mut self) -> bool {
        let Self { queue, batch } = self;
        batch.clear();
        if queue.recv_many(batch, BATCH).await == 0 {
            return false;
        }
        let rest = async {
            while let room @ 1.. = BATCH.saturating_sub(batch.len()) {
                if queue.recv_many(batch, room).await == 0 {
                    break; // the end
                }
            }
        };
        // Late is as usual: there were fewer than a batch holds.
        drop(time::timeout(DELAY, rest).await);
        true
    }
}

struct Exporter<T> {
    collector: Collector,
    /// Why the last batch was not taken; none: it was.
    failing: Option<Fault>,
    tell: T,
}

impl<T: Fn(Event)> Exporter<T> {
    /// Sends a batch, again where that may help.
    async fn deliver(&mut self, spans: &[Span]) {
        let count = count(spans.len());
        let body = batch::encode(spans, self.collector.instance());
        let mut retries = RETRIES.iter();
        loop {
            let fault = match self.collector.send(body.clone()).await {
                Ok(rejected) => {
                    let rejected = rejected.min(count);
                    self.now(None);
                    (self.tell)(Event::Exported(count.saturating_sub(rejected)));
                    (self.tell)(Event::Rejected(rejected));
                    return;
                }
                Err(fault) => fault,
            };
            self.now(Some(fault));
            match retries.next().filter(|_| fault.is_passing()) {
                Some(wait) => time::sleep(*wait).await,
                None => return (self.tell)(Event::Dropped(count, fault)),
            }
        }
    }

    /// Tells of a change, and of nothing else.
    fn now(&mut self, failing: Option<Fault>) {
        if failing != self.failing {
            (self.tell)(failing.map_or(Event::Recovered, Event::Failing));
            self.failing = failing;
        }
    }
}

#[cfg(test)]
mod tests;
