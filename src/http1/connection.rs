//! One client's connection, for whoever serves it and for the body of the request at hand: the two
//! share it, in one task, and neither holds it over an `await`.

use std::cell::RefCell;
use std::fmt;
use std::future;
use std::io;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use http::Response;
use http_body::Body;
use http_body::Frame;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;

use crate::http1::BodyError;
use crate::http1::RequestBody;
use crate::http1::SendError;
use crate::http1::Workbench;
use crate::http1::wire::Wire;
use crate::ingress::Head;
use crate::ingress::HeadFault;
use crate::policy::clients::ClientTimeouts;

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 or HTTP/1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Why a connection has no next request.
#[derive(Debug, thiserror::Error)]
pub enum NoRequest {
    /// What there is in its place is to be refused, and nothing follows.
    #[error(transparent)]
    Refused(#[from] HeadFault),
    /// The client has ended it, or asks nothing.
    #[error("the client asks no more")]
    Over,
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// See the module.
pub struct Connection<T> {
    wire: RefCell<Wire<T>>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Nothing has been read from `transport` yet.
    pub fn new(transport: T, workbench: Rc<Workbench>, timeouts: ClientTimeouts) -> Self {
        Self { wire: RefCell::new(Wire::new(transport, workbench, timeouts)) }
    }

    /// Waits for the first bytes, and tells what the client speaks. Ends with an error when they
    /// do not come in time, or never.
    pub async fn protocol(&self) -> io::Result<Protocol> {
        future::poll_fn(|cx| self.wire.borrow_mut().poll_protocol(cx)).await
    }

    /// The bytes that have been read already, and where the others come from.
    pub fn into_parts(self) -> (Bytes, T) {
        self.wire.into_inner().into_parts()
    }

    /// The head of the next request, when the answer to the one before is written.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Result<Head, NoRequest>> {
        self.wire.borrow_mut().poll_next(cx)
    }

    /// The body of the request that came last.
    pub const fn body(&self) -> RequestBody<'_, T> {
        RequestBody::new(self)
    }

    /// Ready when the client has left, as far as that can be seen behind a request that has been
    /// read: whoever ends its sending half has left too.
    pub fn poll_left(&self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.wire.borrow_mut().poll_left(cx)
    }

    /// Sends the answer to the request that came last, and tells whether another may follow; not
    /// where it is to be the last one, or has a field `Connection`.
    pub async fn send<B>(
        &self,
        answer: Response<B>,
        is_last: bool,
    ) -> Result<bool, SendError<B::Error>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (mut sending, persists) = self.wire.borrow_mut().begin_answer(answer, is_last);
        future::poll_fn(|cx| self.wire.borrow_mut().poll_send(cx, &mut sending)).await?;
        Ok(persists)
    }

    /// Ends the connection: the client has been told everything.
    pub async fn close(&self) -> io::Result<()> {
        future::poll_fn(|cx| self.wire.borrow_mut().poll_close(cx)).await
    }

    pub(super) fn poll_body(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.wire.borrow_mut().poll_body(cx)
    }

    pub(super) fn is_body_read(&self) -> bool {
        self.wire.borrow().is_body_read()
    }

    /// How much of the body is left, where that is known.
    pub(super) fn body_length(&self) -> Option<u64> {
        self.wire.borrow().body_length()
    }
}

impl<T> fmt::Debug for Connection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is held may be a secret.
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}
