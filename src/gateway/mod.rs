//! ★ The life of a request, from its head to the last byte of its answer.
//!
//! Five stages in order, each a function that answers with what the next one needs or with its
//! own refusal; the first refusal is the answer. See `docs/life-of-a-request.md`.

mod count;
pub mod explaining;
mod held;
mod lessons;
mod listing;
mod pupil;
mod room;
mod sharing;
mod together;

use std::error::Error;
use std::future;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::pin::Pin;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header::EXPECT;
use http::request::Parts;
use http_body::Body;

use crate::admit::Admission;
use crate::admit::GiveBack;
use crate::admit::Permit;
use crate::advise::Seats;
use crate::budget::ByteBudget;
use crate::classify::DigestKey;
use crate::classify::RequestClass;
use crate::classify::classify;
use crate::forward::Accept;
use crate::forward::AnswerBody;
use crate::forward::Caller;
use crate::forward::Forwarder;
use crate::forward::Outgoing;
use crate::forward::X_REQUEST_ID;
use crate::gateway::held::Held;
use crate::gateway::lessons::Lessons;
use crate::gateway::room::Asker;
use crate::ingress::HeadFault;
use crate::inspect::Expectation;
use crate::inspect::Rest;
use crate::inspect::Violation;
use crate::inspect::discard;
use crate::inspect::inspect;
use crate::inspect::violation::ViolationKind;
use crate::isolate::isolated;
use crate::learn::Reading;
use crate::learn::Subject;
use crate::links;
use crate::observe::Observer;
use crate::observe::Record;
use crate::observe::journal::Tap;
use crate::policy::Policy;
use crate::policy::PolicyHandle;
use crate::policy::upstream::Scheme;
use crate::pool::Pools;
use crate::reject::Refusal;
use crate::reject::Rejection;
use crate::respond;
use crate::respond::ReplyBody;
use crate::sharing::Ticket;
use crate::sid;
use crate::store::Links;
use crate::store::Store;
use crate::time::Clock;

/// What all workers share: the windows, the seats, the policy pointer and the key of digests.
#[derive(Debug)]
pub struct Shared {
    /// The policy in force.
    pub policy: PolicyHandle,
    /// Windows and requests under way.
    pub admission: Admission,
    /// Who sits at which number.
    pub seats: Seats,
    /// The bodies of requests that are held.
    pub bodies: Arc<ByteBudget>,
    /// The bodies of answers that are held while they are read.
    pub readings: Arc<ByteBudget>,
    /// The numbers of services.
    pub pools: Pools,
    /// What other replicas admit; none where there are none.
    pub store: Option<Arc<Store>>,
    /// The key of credentials' and names' hashes.
    pub digests: DigestKey,
    /// The clock that windows are judged by.
    pub clock: Clock,
}

/// One worker's gateway.
#[derive(Debug)]
pub struct Gateway {
    /// Shared with the other workers.
    pub shared: Arc<Shared>,
    /// The worker's own connections to the upstream.
    pub forwarder: Forwarder,
    /// Where requests are reported.
    pub observer: Observer,
    /// The worker's own connections to the store, where there is one.
    pub links: Option<Rc<Links>>,
}

/// A request as it came.
#[derive(Debug)]
pub struct Arrived<B> {
    /// Its head, which a request hands on from stage to stage: boxed, as it is large to move.
    pub head: Box<Parts>,
    /// Its body, which may still be on its way.
    pub body: B,
}

impl<B> From<Request<B>> for Arrived<B> {
    fn from(request: Request<B>) -> Self {
        let (head, body) = request.into_parts();
        Self { head: Box::new(head), body }
    }
}

/// One client's connection.
#[derive(Clone, Debug)]
pub struct Client {
    connection: SocketAddr,
    caller: Caller,
}

impl Client {
    /// The client at this address, that speaks `scheme` over the connection with this other end;
    /// an IPv4 one that came by an IPv6 socket is written as IPv4.
    pub fn new(connection: SocketAddr, address: IpAddr, scheme: Scheme) -> Self {
        Self { connection, caller: Caller::new(address.to_canonical(), scheme) }
    }
}

impl Gateway {
    /// Answers one request. Never fails: every rejection is an answer. Where its head was judged
    /// unfit, that is the answer, and the request may only stand for it.
    pub async fn handle<B>(
        &self,
        request: Arrived<B>,
        client: &Client,
        judged: Result<(), HeadFault>,
    ) -> Response<ReplyBody>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Error + Send + Sync + 'static,
    {
        let policy = self.shared.policy.snapshot(); // one policy for the whole request
        let Arrived { head, body } = request;
        let request_id = request_id(&head.headers);
        let caller = client.caller.told(&head.headers, &policy.clients.trusted_proxies);
        let mut record = self.observer.begin(policy.log, caller.address(), request_id);
        let expect = expectation(&head.headers);
        let mut body = record.watch(client.connection, &head, body);
        let request = Arrived { head, body: &mut body };
        let passed = match judged {
            Err(fault) => Err(fault.into()),
            Ok(()) => isolated(pin!(self.pass(&policy, request, &caller, &mut record)))
                .await
                .unwrap_or_else(|panicked| Err(panicked.into())),
        };
        match passed {
            Ok(Passed { answer, permit, reading }) => {
                respond::forwarded(&policy, answer, permit, record, reading)
            }
            Err(rejection) => {
                let rest = if is_slow(&rejection) {
                    Rest::Unread // it was waited for already
                } else {
                    discard(expect, &mut body).await
                };
                let answer =
                    respond::rejection(&rejection, record.class(), record.request_id(), rest);
                record.rejected(&rejection, answer.status());
                answer
            }
        }
    }

    /// The stages in order; the first `?` that fires is the answer.
    async fn pass<B>(
        &self,
        policy: &Arc<Policy>,
        request: Arrived<&mut Tap<B>>,
        caller: &Caller,
        record: &mut Record,
    ) -> Result<Passed, Rejection>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Error + Send + Sync + 'static,
    {
        let Arrived { mut head, body } = request;
        record.enter_trace(&mut head.headers);
        let asked = classify(policy, &self.shared.digests, &head)?; // 404, 405, 401
        let class = self.shared.admission.identify(asked, record.begun());
        record.classified(class);
        let admitted = match &self.links {
            None => self.shared.admission.admit(policy, &class, record.begun()).map(alone),
            // In a box, so that it takes no room in a request of a gateway that is alone.
            Some(links) => {
                Box::pin(self.admit_shared(links, policy, &class, record.begun())).await
            }
        };
        if admitted.is_err() {
            body.finish().await; // reads nothing, unless a client is being tested
        }
        let (mut permit, ticket) = admitted?; // 429, 503
        record.admitted(&permit);
        let waiting = Waiting { shared: &self.shared, class, permit: &mut permit, ticket };
        let body = {
            let inspection = pin!(inspect(policy, &self.shared.bodies, &class, &head, body));
            self.when_all_is_there(policy, &class, waiting.permit, inspection).await? // 4xx
        };
        let checked = Checked { policy, caller, asked, class, head, body };
        let (answer, reading) = self.exchange(checked, record, waiting).await?;
        Ok(Passed { answer, permit, reading }) // the permit lives until the last byte
    }

    /// Sends a request that has passed every check but that of the pools.
    async fn exchange(
        &self,
        checked: Checked<'_>,
        record: &mut Record,
        waiting: Waiting<'_>,
    ) -> Result<(Response<AnswerBody>, Option<Reading>), Rejection> {
        let subject = Subject::of(checked.class.endpoint, checked.head.uri.path());
        let request_id = record.request_id().clone();
        let asker = Asker { checked: &checked, subject: &subject, request_id: &request_id };
        let hold = self.room(asker).await?; // 400, 503
        record.held(hold.as_ref().and_then(Held::would_refuse));
        let Checked { policy, caller, asked, class, head, body } = checked;
        let mut lessons = Lessons::new(self, policy, (asked, class), subject, hold);
        let sent = self.shared.clock.now();
        lessons.sent();
        let has_links = links::public_url(&policy.upstream, class.endpoint).is_some();
        // What a compressed answer says of a number cannot be read.
        let is_plain = has_links || subject.fills_a_pool();
        let accept = if is_plain { Accept::Identity } else { Accept::Any };
        let outgoing = Outgoing { head, body, caller, request_id, accept };
        let answer = self.forwarder.send(&policy.upstream, outgoing).await;
        let given_back = waiting.end(answer.as_ref().ok().map(Response::status));
        let (reading, told) = lessons.end(&answer);
        if let (Some(links), Some(told)) = (&self.links, told) {
            // In a box, as above.
            Box::pin(links.heard(told)).await;
        }
        let answer = answer?; // 502, 504
        record.answered(answer.status(), sent, given_back);
        Ok((answer, reading))
    }
}

/// A request that keeps to the rules.
struct Checked<'a> {
    policy: &'a Arc<Policy>,
    caller: &'a Caller,
    /// As it names its service and its caller.
    asked: RequestClass,
    /// The same, by what is known of them.
    class: RequestClass,
    head: Box<Parts>,
    /// As it came.
    body: Bytes,
}

/// What passed every stage.
struct Passed {
    answer: Response<AnswerBody>,
    permit: Permit,
    /// Where the answer is read as it passes.
    reading: Option<Reading>,
}

impl Gateway {
    /// What an admitted request's inspection comes to. While it waits for the body, the request
    /// has no place among those under way.
    async fn when_all_is_there(
        &self,
        policy: &Policy,
        class: &RequestClass,
        permit: &mut Permit,
        mut inspection: Pin<&mut impl Future<Output = Result<Bytes, Violation>>>,
    ) -> Result<Bytes, Rejection> {
        let polled = future::poll_fn(|cx| Poll::Ready(inspection.as_mut().poll(cx))).await;
        if let Poll::Ready(body) = polled {
            return Ok(body?); // as nearly always: it came with its head
        }
        permit.step_aside();
        let body = inspection.await?;
        self.shared.admission.resume(policy, class, permit)?; // 503
        Ok(body)
    }
}

/// An admitted request, until the upstream has answered. Dropped before its end, the gateway has
/// refused the body, or the client has left.
struct Waiting<'g> {
    shared: &'g Shared,
    class: RequestClass,
    permit: &'g mut Permit,
    ticket: Option<Ticket>,
}

impl Waiting<'_> {
    /// The upstream has answered with this status, or failed. Answers why the charge was given
    /// back, where it was.
    fn end(self, status: Option<StatusCode>) -> Option<GiveBack> {
        let Some(status) = status else {
            self.permit.upstream_failed();
            return None;
        };
        let Shared { admission, clock, .. } = self.shared;
        let given_back = admission.answered(&self.class, self.permit, status, clock.now());
        if let (Some(_), Some(ticket)) = (given_back, self.ticket) {
            self.shared.give_back(ticket);
        }
        given_back
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Shared { admission, clock, .. } = self.shared;
        admission.unanswered(&self.class, self.permit, clock.now());
    }
}

/// What a gateway that is alone admits is no other replica's concern.
const fn alone(permit: Permit) -> (Permit, Option<Ticket>) {
    (permit, None)
}

/// Whether the client waits to be asked for its body.
fn expectation(headers: &HeaderMap) -> Expectation {
    if headers.contains_key(EXPECT) { Expectation::Continue } else { Expectation::None }
}

/// Whether the request did not come in its time.
fn is_slow(rejection: &Rejection) -> bool {
    rejection.refusal() == Some(Refusal::Body(ViolationKind::Slow))
}

/// The client's own request id where it has a harmless form, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let own = headers.get(X_REQUEST_ID).filter(|value| is_harmless(value.as_bytes()));
    own.cloned().unwrap_or_else(|| {
        let id = sid::hex_digits(fastrand::u128(..));
        HeaderValue::from_bytes(&id).unwrap_or_else(|_| HeaderValue::from_static("none"))
    })
}

fn is_harmless(id: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/=@".contains(byte);
    (1..=128).contains(&id.len()) && id.iter().all(allowed)
}

#[cfg(test)]
mod tests;
