//! Who came back when? A list of all requests, for the report on a client that is being tested.
//!
//! **Invariant:** of a request are kept its place in the API and hashes: no body, no name, no
//! credentials. A journal is bounded, and a gateway without one does not read a byte more.

use std::cell::RefCell;
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;
use http_body_util::BodyExt;
use tokio::time;

use crate::agent::Agent;
use crate::classify::RequestClass;
use crate::fingerprint::Fingerprint;
use crate::policy::rate::RateLimit;
use crate::reject::Decision;
use crate::reject::Refusal;
use crate::time::Tick;

/// How many requests are kept; later ones are only counted.
pub const MAX_SIGHTINGS: usize = 200_000;
/// How much of the body of a refused request is read, to know it again.
const MAX_BODY: usize = 1024 * 1024;
/// How long that may take.
const BODY_TIME: Duration = Duration::from_secs(10);

/// What is kept of one request.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    /// Greater is later, also where a clock stands; that of no other request.
    pub order: u64,
    /// The client's end of a connection on which one request follows the answer of the other;
    /// none where several are under way at once on one (HTTP/2).
    pub connection: Option<SocketAddr>,
    /// When its head had been read.
    pub begun: Tick,
    /// When its answer had been handed over.
    pub ended: Tick,
    /// What it is; none where it is no request of the API's.
    pub class: Option<RequestClass>,
    /// The same for each time that it is sent: a hash of its credentials, method, path, query
    /// and body.
    pub request: u128,
    /// Which program sent it.
    pub agent: Agent,
    /// What became of it.
    pub decision: Decision,
    /// Which limit refused it.
    pub refusal: Option<Refusal>,
    /// The rate that it was judged by, where one was asked.
    pub limit: Option<RateLimit>,
    /// Whether that rate refuses; not so where it is on trial or off.
    pub enforced: bool,
    /// The `Retry-After` of its answer, in seconds.
    pub retry_after: Option<u64>,
}

/// The requests of all workers, in the order in which they ended.
#[derive(Debug, Default)]
pub struct Journal {
    entries: Mutex<Entries>,
    begun: AtomicU64,
}

/// What a journal holds.
#[derive(Debug, Default)]
pub struct Entries {
    /// The first [`MAX_SIGHTINGS`] requests.
    pub kept: Vec<Sighting>,
    /// How many came after them.
    pub missed: u64,
}

impl Journal {
    /// Takes everything out.
    pub fn take(&self) -> Entries {
        mem::take(&mut *self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The place of a request that begins now in the order of all.
    pub(super) fn next(&self) -> u64 {
        // A number of its own is all that it guards; of one connection they are in order.
        self.begun.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn add(&self, sighting: Sighting) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.kept.len() < MAX_SIGHTINGS {
            entries.kept.push(sighting);
        } else {
            entries.missed = entries.missed.saturating_add(1);
        }
    }
}

/// The fingerprint of a request whose body is still being read, shared with its reader.
#[derive(Clone, Debug)]
pub(super) struct Growing(Rc<RefCell<Fingerprint>>);

impl Growing {
    /// Of what is known before the body.
    pub(super) fn of(head: &Parts) -> Self {
        Self(Rc::new(RefCell::new(Fingerprint::of(head))))
    }

    pub(super) fn value(&self) -> u128 {
        self.0.borrow().value()
    }

    fn add(&self, data: &Bytes) {
        self.0.borrow_mut().add(data);
    }
}

/// A body that is hashed as it is read, where a journal is kept.
#[derive(Debug)]
pub struct Tap<B> {
    body: B,
    fingerprint: Option<Growing>,
}

impl<B: Body<Data = Bytes> + Unpin> Tap<B> {
    pub(super) const fn new(body: B, fingerprint: Option<Growing>) -> Self {
        Self { body, fingerprint }
    }

    /// Reads what nobody else will read, where a journal is kept: without its body a request is
    /// not known again.
    pub async fn finish(&mut self) {
        if self.fingerprint.is_none() {
            return;
        }
        let mut read: usize = 0;
        let reading = async {
            while let Some(Ok(frame)) = self.frame().await
                && read <= MAX_BODY
            {
                read = read.saturating_add(frame.data_ref().map_or(0, Bytes::len));
            }
        };
        // One that is too long or too slow is known by what has been read of it.
        drop(time::timeout(BODY_TIME, reading).await);
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Tap<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let (Some(fingerprint), Poll::Ready(Some(Ok(frame)))) = (&self.fingerprint, &frame)
            && let Some(data) = frame.data_ref()
        {
            fingerprint.add(data);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::Growing;
    use super::Journal;
    use super::MAX_SIGHTINGS;
    use super::Sighting;
    use super::Tap;
    use crate::agent::Agent;
    use crate::reject::Decision;
    use crate::reject::Refusal;
    use crate::time::Tick;
    use bytes::Bytes;
    use http::Request;
    use http::request::Parts;
    use http_body::Body;
    use http_body::Frame;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::Context;
    use std::task::Poll;
    use tokio::runtime::Builder;

    /// A body that comes in these pieces, the last one first.
    struct Pieces(Vec<&'static [u8]>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let piece = self.0.pop();
            Poll::Ready(piece.map(|piece| Ok(Frame::data(Bytes::from_static(piece)))))
        }
    }

    fn head(method: &str, target: &str, credentials: &str) -> Parts {
        let request = Request::builder().method(method).uri(target);
        request.header("authorization", credentials).body(()).unwrap().into_parts().0
    }

    fn value(head: &Parts, mut pieces: Vec<&'static [u8]>) -> u128 {
        pieces.reverse();
        let fingerprint = Growing::of(head);
        let mut tap = Tap::new(Pieces(pieces), Some(fingerprint.clone()));
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(tap.finish());
        fingerprint.value()
    }

    #[test]
    fn a_request_is_the_same_however_its_body_comes() {
        let one = head("POST", "/v1/Services", "Basic one");
        let whole = value(&one, vec![b"UniqueName=a"]);
        assert_eq!(value(&one, vec![b"Unique", b"Name", b"=a"]), whole);
        assert_ne!(value(&one, vec![b"UniqueName=b"]), whole);
    }

    #[test]
    fn another_sender_method_path_or_query_makes_another_request() {
        let values: Vec<_> = [
            head("GET", "/v1/Services", "Basic one"),
            head("GET", "/v1/Services", "Basic two"),
            head("POST", "/v1/Services", "Basic one"),
            head("GET", "/v1/Services/a", "Basic one"),
            head("GET", "/v1/Services?Page=1", "Basic one"),
        ]
        .iter()
        .map(|head| value(head, Vec::new()))
        .collect();
        for (index, value) in values.iter().enumerate() {
            assert_eq!(values.iter().position(|each| each == value), Some(index));
        }
    }

    #[test]
    fn what_a_full_journal_cannot_take_is_counted() {
        let journal = Journal::default();
        let sighting = Sighting {
            order: 0,
            connection: None,
            begun: Tick::default(),
            ended: Tick::default(),
            class: None,
            request: 1,
            agent: Agent::Other,
            decision: Decision::Unroutable,
            refusal: Some(Refusal::Path),
            limit: None,
            enforced: true,
            retry_after: None,
        };
        for _ in 0..MAX_SIGHTINGS + 2 {
            journal.add(sighting);
        }
        let entries = journal.take();
        assert_eq!((entries.kept.len(), entries.missed), (MAX_SIGHTINGS, 2));
        assert_eq!(journal.take().kept.len(), 0);
    }

    #[test]
    fn without_a_journal_no_byte_is_read() {
        let mut tap = Tap::new(Pieces(vec![b"left"]), None);
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(tap.finish());
        assert_eq!(tap.body.0.len(), 1);
    }
}
