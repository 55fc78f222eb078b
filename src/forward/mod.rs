//! What does the upstream say? Admitted requests go out on the worker's own connections.
//!
//! **Invariant:** a request is sent a second time only when the upstream cannot have acted on
//! the first: it was never written, or it is a GET or HEAD on a connection that had been used before and
//! that closed without a byte of an answer. So a POST is never seen twice.

mod answer;
mod answer_head;
mod caller;
#[cfg(test)]
mod case;
mod connection;
mod connections;
mod fault;
mod fields;
mod reader;
mod request;
#[cfg(test)]
mod tests;
mod transport;

use std::cell::Cell;
use std::future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::Method;
use http::Response;
use http::request::Parts;

pub use answer::AnswerBody;
pub use answer::AnswerError;
pub use answer_head::AnswerHead;
pub use caller::Caller;
pub use connections::Counters;
pub use fault::AnswerFault;
pub(crate) use fields::X_REQUEST_ID;
pub use reader::AnswerReader;

use crate::ingress::FramingFault;
use crate::policy::upstream::Upstream;
use crate::time::Clock;
use connection::Connection;
use connections::Connections;

/// Sends requests to the upstream over connections of one worker, as its clones do.
#[derive(Clone, Debug)]
pub struct Forwarder {
    connections: Rc<Connections>,
    /// Counts requests, so that several origins are asked in turn.
    turn: Cell<usize>,
}

/// A request that passed every check, with what it goes out with.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// The head as the client sent it.
    pub head: Box<Parts>,
    /// The whole body.
    pub body: Bytes,
    /// Who sent it.
    pub caller: &'a Caller,
    /// The value of `X-Request-Id`.
    pub request_id: HeaderValue,
    /// Which encodings of the answer are asked for.
    pub accept: Accept,
}

/// Which encodings of its answer the upstream is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Those that the client takes.
    Any,
    /// None: the gateway reads it.
    Identity,
}

/// Why there is no answer of the upstream.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection could be opened.
    #[error("the upstream could not be reached")]
    Connect(#[source] io::Error),
    /// No connection was opened in time.
    #[error("the upstream could not be reached within {0:?}")]
    ConnectTimeout(Duration),
    /// No answer began in time.
    #[error("the upstream did not answer within {0:?}")]
    ResponseTimeout(Duration),
    /// The connection ended, or what came is no HTTP.
    #[error("the upstream's answer could not be read")]
    Broken(#[source] AnswerFault),
    /// Two readers could disagree about where the answer's body ends.
    #[error("the upstream's answer does not say clearly where it ends")]
    Unframed(#[source] FramingFault),
    /// The upstream switched to a protocol that nobody asked for.
    #[error("the upstream answered with another protocol")]
    UnexpectedUpgrade,
}

impl From<AnswerFault> for UpstreamError {
    fn from(fault: AnswerFault) -> Self {
        match fault {
            AnswerFault::Framing(fault) => Self::Unframed(fault),
            AnswerFault::Upgrade => Self::UnexpectedUpgrade,
            AnswerFault::Connection(_)
            | AnswerFault::Closed
            | AnswerFault::Head(_)
            | AnswerFault::HeadTooLarge
            | AnswerFault::Chunks => Self::Broken(fault),
        }
    }
}

impl Forwarder {
    /// A forwarder without connections. All workers share `counters`.
    pub fn new(clock: Clock, counters: Arc<Counters>) -> Self {
        let connections = Rc::new(Connections::new(clock, counters));
        Self { connections, turn: Cell::new(0) }
    }

    /// Sends one request and answers with the head of what comes back; the body follows as the
    /// upstream sends it.
    pub async fn send(
        &self,
        upstream: &Upstream,
        mut outgoing: Outgoing<'_>,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let connection = self.connections.any(upstream, turn).await?;
        let was_used = connection.was_used();
        let failure = match self.exchange(connection, &mut outgoing, upstream).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        if !was_used || !failure.may_be_repeated(&outgoing.head.method) {
            return Err(failure.error);
        }
        self.connections.counters().count_retry();
        let connection = self.connections.fresh(upstream, turn).await?;
        let answer = self.exchange(connection, &mut outgoing, upstream).await;
        answer.map_err(|failure| failure.error)
    }

    /// Closes connections that have been unused for longer than `idle`.
    pub fn close_idle(&self, idle: Duration) {
        self.connections.close_idle(idle);
    }

    /// Sends a request over this connection. When an answer comes, or the request can have been
    /// seen, what is not needed for another try is gone from `outgoing`.
    async fn exchange(
        &self,
        mut connection: Box<Connection>,
        outgoing: &mut Outgoing<'_>,
        upstream: &Upstream,
    ) -> Result<Response<AnswerBody>, Failure> {
        connection.begin(outgoing, upstream);
        let limit = upstream.timeouts.response;
        let Parts { method, headers, .. } = &mut *outgoing.head;
        let head = future::poll_fn(|cx| {
            let polled = connection.poll_head(cx, method, headers, limit);
            if !connection.is_unsent() {
                outgoing.body = Bytes::new();
            }
            polled
        });
        match head.await {
            Ok(head) => {
                Ok(answer::from_upstream(head, connection, &self.connections, upstream))
            }
            Err(error) => Err(Failure {
                error,
                is_unsent: connection.is_unsent(),
                is_silent: !connection.is_answered(),
            }),
        }
    }
}

/// A failed exchange, and what is known of how far it came.
struct Failure {
    error: UpstreamError,
    /// Not a byte of the request can have been sent.
    is_unsent: bool,
    /// The connection ended without a byte of an answer.
    is_silent: bool,
}

impl Failure {
    /// Whether a request of this method may be sent once more over a fresh connection, where it
    /// met one that had been used.
    fn may_be_repeated(&self, method: &Method) -> bool {
        let is_safe = matches!(*method, Method::GET | Method::HEAD); // RFC 9110 §9.2.1
        matches!(self.error, UpstreamError::Broken(_))
            && (self.is_unsent || self.is_silent && is_safe)
    }
}
