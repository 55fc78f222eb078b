//! What becomes of a body that nobody wants any more?

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;

use crate::inspect::patience;

/// The most of a refused body that is read so that its connection may serve on, in bytes.
const MAX_DISCARDED: u64 = 64 * 1024;
/// How long that may take.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// How much of a refused request is still under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing: the next request may follow on the connection.
    Read,
    /// Something, or nobody knows: the connection has to end with the answer, or a byte of this
    /// body would be read as a request.
    Unread,
}

/// What a client said it waits for before it sends its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing.
    None,
    /// `100 Continue`.
    Continue,
}

/// Reads and forgets what is left of a refused body: at most 64 kB, for at most one second. A
/// client that waits to be asked for its body (`Expect`) is not asked.
pub async fn discard<B>(expectation: Expectation, body: &mut B) -> Rest
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.is_end_stream() {
        return Rest::Read;
    }
    if expectation == Expectation::Continue || body.size_hint().lower() > MAX_DISCARDED {
        return Rest::Unread;
    }
    patience::within(DISCARD_TIME, pin!(forget(body))).await.unwrap_or(Rest::Unread)
}

async fn forget<B>(body: &mut B) -> Rest
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut left = MAX_DISCARDED;
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        let Ok(frame) = frame else { return Rest::Unread };
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(u64::try_from(length).unwrap_or(u64::MAX)) {
            Some(less) => left = less,
            None => return Rest::Unread,
        }
    }
    Rest::Read
}
