//! The whole stage, as the gateway calls it. Here is what its tests have in common.

mod body;
mod fields;
mod properties;

use std::convert::Infallible;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use bytes::Bytes;
use http::Request;
use http::request::Builder;
use http::request::Parts;
use http_body::Body;
use http_body::Frame;
use http_body_util::Full;

use crate::budget::ByteBudget;
use crate::classify::RequestClass;
use crate::inspect::inspect;
use crate::inspect::violation::Violation;
use crate::policy::Policy;
use crate::policy::endpoint::Endpoint;
use crate::policy::upstream::Origin;
use crate::policy::upstream::Scheme;
use crate::policy::upstream::Upstream;
use crate::sid::AccountKey;
use crate::sid::Digest;
use crate::sid::ServiceKey;
use crate::sid::Sid;
use crate::sid::SidKind;

pub(super) const FORM: &str = "application/x-www-form-urlencoded";

pub(in crate::inspect) fn policy() -> Policy {
    Policy::for_upstream(Upstream::plain(Origin {
        scheme: Scheme::Http,
        host: "127.0.0.1".to_owned(),
        port: 9000,
    }))
}

pub(in crate::inspect) fn memory() -> Arc<ByteBudget> {
    Arc::default()
}

pub(in crate::inspect) fn class(endpoint: Endpoint) -> RequestClass {
    RequestClass {
        endpoint,
        account: AccountKey::Sid(Sid::new(SidKind::Account, [1; 16])),
        service: Some(ServiceKey::Sid(Sid::new(SidKind::Service, [2; 16]))),
        credential: Digest([9; 16]),
    }
}

/// Answers at once or fails: a body that is all there needs no runtime.
pub(super) fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the body is all there, and yet it was waited for"),
    }
}

pub(super) fn head(request: Builder) -> Parts {
    request.body(()).unwrap().into_parts().0
}

pub(super) fn post_form(length: usize) -> Parts {
    head(Request::post("/").header("content-type", FORM).header("content-length", length))
}

pub(super) fn judge<B>(endpoint: Endpoint, head: &Parts, body: B) -> Result<Bytes, Violation>
where
    B: Body<Data = Bytes, Error = Infallible> + Unpin,
{
    at_once(inspect(&policy(), &memory(), &class(endpoint), head, body))
}

/// The verdict on a form with the head that a client would send with it.
pub(super) fn post(endpoint: Endpoint, form: impl Into<Bytes>) -> Result<Bytes, Violation> {
    let form = form.into();
    judge(endpoint, &post_form(form.len()), Full::new(form))
}

pub(super) fn message(verdict: Result<Bytes, Violation>) -> String {
    verdict.unwrap_err().to_string()
}

/// A body in the pieces that it is given in.
pub(super) struct Pieces(pub(super) std::vec::IntoIter<Frame<Bytes>>);

impl Pieces {
    pub(super) fn of(pieces: std::slice::Chunks<'_, u8>) -> Self {
        let frames: Vec<_> =
            pieces.map(|piece| Frame::data(Bytes::copy_from_slice(piece))).collect();
        Self(frames.into_iter())
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

/// A body that nobody may ask for.
pub(super) struct Untouched;

impl Body for Untouched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the body was read")
    }
}
