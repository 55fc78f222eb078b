//! Requests at a steady rate, whatever becomes of those before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time;

use crate::support::Answer;
use crate::support::Connection;
use crate::support::Cut;
use crate::support::HANGS;
use crate::support::request::get;

/// How often requests are sent that are due.
const TICK: Duration = Duration::from_millis(2);
/// Connections at once. Who has been held up and is behind does not open one for each request: the
/// memory of the gateway would tell of the machine's load.
const CONNECTIONS: usize = 200;
/// The id of a burst's requests.
pub(crate) const BURST: &str = "burst";

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) number: usize,
    pub(crate) sent: Instant,
    pub(crate) ended: Instant,
    pub(crate) result: Result<Answer, Failure>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Cut(Cut),
    NotConnected,
    Hung,
}

/// The connections of a load.
#[derive(Debug)]
struct Pool {
    unused: Mutex<Vec<Connection>>,
    room: Semaphore,
}

impl Outcome {
    pub(crate) fn took(&self) -> Duration {
        self.ended - self.sent
    }

    pub(crate) fn status(&self) -> Option<u16> {
        self.result.as_ref().ok().map(|answer| answer.status)
    }
}

/// Sends `rate` requests a second for `span`, over as many connections as it takes and there may be;
/// waits until each has come to its end, which `judge` is told.
pub(crate) async fn steady(
    address: SocketAddr,
    rate: u32,
    span: Duration,
    request: impl Fn(usize) -> Vec<u8>,
    judge: impl Fn(Outcome) + Send + Sync + 'static,
) {
    let judge = Arc::new(judge);
    let pool = Arc::new(Pool { unused: Mutex::default(), room: Semaphore::new(CONNECTIONS) });
    let (begun, mut number, mut under_way) = (Instant::now(), 0, JoinSet::new());
    let mut ticks = time::interval(TICK);
    while begun.elapsed() < span {
        ticks.tick().await;
        while begun.elapsed() >= Duration::from_secs(number) / rate {
            let nth = usize::try_from(number).unwrap();
            let (bytes, judge, pool) = (request(nth), Arc::clone(&judge), Arc::clone(&pool));
            under_way.spawn(async move {
                let _room = pool.room.acquire().await.unwrap();
                let sent = Instant::now();
                let asked = time::timeout(HANGS, ask(address, &bytes, &pool.unused)).await;
                let result = asked.unwrap_or(Err(Failure::Hung));
                judge(Outcome { number: nth, sent, ended: Instant::now(), result });
            });
            number += 1;
        }
        while let Some(ended) = under_way.try_join_next() {
            ended.unwrap();
        }
    }
    while let Some(ended) = under_way.join_next().await {
        ended.unwrap();
    }
}

/// Asks once over each of as many connections as there may be, all at once: what that takes of
/// memory stays with the allocator, and is not to be found later as if it had grown.
pub(crate) async fn burst(address: SocketAddr) {
    let mut asking = JoinSet::new();
    for service in 0..CONNECTIONS {
        asking.spawn(async move {
            let mut connection = Connection::open(address).await.unwrap();
            connection.ask(&get(1_000 + service, BURST)).await.unwrap();
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked.unwrap();
    }
}

async fn ask(
    address: SocketAddr,
    request: &[u8],
    unused: &Mutex<Vec<Connection>>,
) -> Result<Answer, Failure> {
    let kept = unused.lock().unwrap().pop();
    let mut connection = match kept {
        Some(connection) => connection,
        None => Connection::open(address).await.map_err(|_| Failure::NotConnected)?,
    };
    let answer = connection.ask(request).await.map_err(Failure::Cut)?;
    if !answer.closes {
        unused.lock().unwrap().push(connection);
    }
    Ok(answer)
}
