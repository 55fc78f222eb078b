//! What does the upstream say? Admitted requests go out on the worker's own connections.
//!
//! **Invariant:** a request is sent a second time only when the upstream cannot have acted on
//! the first: it was never written, or it is a GET or HEAD on a connection that had been used before and
//! that closed without a byte of an answer. So a POST is never seen twice.

mod answer;
mod caller;
#[cfg(test)]
mod case;
mod connections;
mod head;
mod stream;

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::Request;
use http::Response;
use http::StatusCode;
use http::request::Parts;
use http_body_util::Full;
use tokio::time;

pub use answer::AnswerBody;
pub use answer::AnswerError;
pub use caller::Caller;
pub use connections::Counters;
pub(crate) use head::X_REQUEST_ID;

use crate::ingress::Framing;
use crate::ingress::FramingFault;
use crate::policy::upstream::Upstream;
use crate::time::Clock;
use connections::Connection;
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
    pub head: Parts,
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
    Broken(#[source] hyper::Error),
    /// Two readers could disagree about where the answer's body ends.
    #[error("the upstream's answer does not say clearly where it ends")]
    Unframed(#[source] FramingFault),
    /// The upstream switched to a protocol that nobody asked for.
    #[error("the upstream answered with another protocol")]
    UnexpectedUpgrade,
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
        outgoing: Outgoing<'_>,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let mut request = head::upstream_request(outgoing);
        let (connection, origin) = self.connections.any(upstream, turn).await?;
        head::set_host(request.headers_mut(), upstream, origin);
        let was_used = connection.was_used();
        let spare = if was_used { head::copy_of_safe(&request) } else { None };
        let failure = match self.exchange(connection, request, upstream).await {
            Ok(answer) => return Ok(answer),
            Err(failure) if was_used => failure,
            Err(failure) => return Err(failure.error),
        };
        let mut request = failure.request_to_repeat(spare)?;
        self.connections.counters().count_retry();
        let (connection, origin) = self.connections.fresh(upstream, turn).await?;
        head::set_host(request.headers_mut(), upstream, origin);
        let answer = self.exchange(connection, request, upstream).await;
        answer.map_err(|failure| failure.error)
    }

    /// Closes connections that have been unused for longer than `idle`.
    pub fn close_idle(&self, idle: Duration) {
        self.connections.close_idle(idle);
    }

    async fn exchange(
        &self,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
        upstream: &Upstream,
    ) -> Result<Response<AnswerBody>, Failure> {
        let read_before = connection.bytes_read();
        let response_timeout = upstream.timeouts.response;
        let sent = time::timeout(response_timeout, connection.send(request)).await;
        match sent {
            Ok(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Err(Failure::of(UpstreamError::UnexpectedUpgrade))
            }
            Ok(Ok(response)) => {
                Framing::of_answer(response.headers())
                    .map_err(|fault| Failure::of(UpstreamError::Unframed(fault)))?;
                Ok(answer::from_upstream(response, connection, &self.connections, upstream))
            }
            Ok(Err(mut refused)) => Err(Failure {
                unsent: refused.take_message(),
                silent: connection.bytes_read() == read_before,
                error: UpstreamError::Broken(refused.into_error()),
            }),
            Err(_elapsed) => Err(Failure::of(UpstreamError::ResponseTimeout(response_timeout))),
        }
    }
}

/// A failed exchange, and what is known of how far it came.
struct Failure {
    error: UpstreamError,
    /// The request itself, where not a byte of it was written.
    unsent: Option<Request<Full<Bytes>>>,
    /// The connection ended without a byte of an answer.
    silent: bool,
}

impl Failure {
    const fn of(error: UpstreamError) -> Self {
        Self { error, unsent: None, silent: false }
    }

    /// The request, where it may be sent once more over a fresh connection; `spare` is a copy of
    /// it where its method is safe.
    fn request_to_repeat(
        self,
        spare: Option<Request<Full<Bytes>>>,
    ) -> Result<Request<Full<Bytes>>, UpstreamError> {
        let spare = if self.silent { spare } else { None };
        self.unsent.or(spare).ok_or(self.error)
    }
}
