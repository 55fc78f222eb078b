//! ★ The life of a request, from its head to the last byte of its answer.
//!
//! Five stages in order, each a function that answers with what the next one needs or with its
//! own refusal; the first refusal is the answer. See `docs/life-of-a-request.md`.

use std::future;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header::EXPECT;
use hyper::body::Incoming;

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
use crate::ingress::Turn;
use crate::inspect::Expectation;
use crate::inspect::Rest;
use crate::inspect::Violation;
use crate::inspect::discard;
use crate::inspect::inspect;
use crate::inspect::violation::ViolationKind;
use crate::isolate::isolated;
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
use crate::time::Clock;

/// What all workers share: the windows, the seats, the number pools, the policy pointer and the
/// key of digests.
#[derive(Debug)]
pub struct Shared {
    /// The policy in force.
    pub policy: PolicyHandle,
    /// Windows and requests under way.
    pub admission: Admission,
    /// Who sits at which number.
    pub seats: Seats,
    /// How many numbers each service has.
    pub pools: Pools,
    /// The bodies that are held.
    pub bodies: Arc<ByteBudget>,
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
    /// Answers one request. Never fails: every rejection is an answer. `turn` may say that the
    /// request only stands for a head that was refused.
    pub async fn handle(
        &self,
        request: Request<Incoming>,
        client: &Client,
        turn: Turn,
    ) -> Response<ReplyBody> {
        let policy = self.shared.policy.snapshot(); // one policy for the whole request
        let request_id = request_id(request.headers());
        let caller = client.caller.told(request.headers(), &policy.clients.trusted_proxies);
        let mut record = self.observer.begin(policy.log, caller.address(), request_id);
        let (head, body) = request.into_parts();
        let expect = expectation(&head.headers);
        let mut body = record.watch(client.connection, &head, body);
        let request = Request::from_parts(head, &mut body);
        let passed = match turn.fault {
            Some(fault) => Err(fault.into()),
            None => isolated(self.pass(&policy, request, &caller, &mut record))
                .await
                .unwrap_or_else(|panicked| Err(panicked.into())),
        };
        let answer = match passed {
            Ok((answer, permit)) => respond::forwarded(&policy, answer, permit, record),
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
        };
        answer.map(|body| body.during(turn))
    }

    /// The stages in order; the first `?` that fires is the answer.
    async fn pass(
        &self,
        policy: &Policy,
        request: Request<&mut Tap<Incoming>>,
        caller: &Caller,
        record: &mut Record,
    ) -> Result<(Response<AnswerBody>, Permit), Rejection> {
        let (head, body) = request.into_parts();
        record.keep_trace(&head.headers);
        let class = classify(policy, &self.shared.digests, &head)?; // 404, 405, 401
        let class = self.shared.admission.identify(class, record.begun());
        record.classified(class);
        let admitted = self.shared.admission.admit(policy, &class, record.begun());
        if admitted.is_err() {
            body.finish().await; // reads nothing, unless a client is being tested
        }
        let mut permit = admitted?; // 429, 503
        record.admitted(&permit);
        let waiting = Waiting { shared: &self.shared, class, permit: &mut permit };
        let inspection = inspect(policy, &self.shared.bodies, &class, &head, body);
        let body = self.when_all_is_there(policy, &class, waiting.permit, inspection).await?; // 4xx
        let request_id = record.request_id().clone();
        let has_links = links::public_url(&policy.upstream, class.endpoint).is_some();
        let accept = if has_links { Accept::Identity } else { Accept::Any };
        let outgoing = Outgoing { head, body, caller, request_id, accept };
        let sent = self.shared.clock.now();
        let answer = self.forwarder.send(&policy.upstream, outgoing).await;
        let given_back = waiting.end(answer.as_ref().ok().map(Response::status));
        let answer = answer?; // 502, 504
        record.answered(answer.status(), sent, given_back);
        Ok((answer, permit)) // the permit lives until the last byte
    }
}

impl Gateway {
    /// What an admitted request's inspection comes to. While it waits for the body, the request
    /// has no place among those under way.
    async fn when_all_is_there(
        &self,
        policy: &Policy,
        class: &RequestClass,
        permit: &mut Permit,
        inspection: impl Future<Output = Result<Bytes, Violation>>,
    ) -> Result<Bytes, Rejection> {
        let mut inspection = pin!(inspection);
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
        admission.answered(&self.class, self.permit, status, clock.now())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Shared { admission, clock, .. } = self.shared;
        admission.unanswered(&self.class, self.permit, clock.now());
    }
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
        let id = format!("{:032x}", fastrand::u128(..));
        HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("none"))
    })
}

fn is_harmless(id: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/=@".contains(byte);
    (1..=128).contains(&id.len()) && id.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::Client;
    use super::Gateway;
    use super::Shared;
    use super::is_harmless;
    use crate::admit::Admission;
    use crate::advise::Seats;
    use crate::classify::DigestKey;
    use crate::forward::Forwarder;
    use crate::ingress::Conversation;
    use crate::observe::Observer;
    use crate::observe::metrics::Metrics;
    use crate::observe::metrics::Readings;
    use crate::observe::request_log::LogSink;
    use crate::observe::request_log::RequestLog;
    use crate::policy::Policy;
    use crate::policy::PolicyHandle;
    use crate::policy::upstream::Origin;
    use crate::policy::upstream::Scheme;
    use crate::policy::upstream::Upstream;
    use crate::pool::Pools;
    use crate::time::Clock;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;
    use tokio::runtime;

    fn gateway() -> Gateway {
        let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".to_owned(), port: 1 };
        let clock = Clock::manual();
        let shared = Shared {
            policy: PolicyHandle::new(Policy::for_upstream(Upstream::plain(origin))),
            admission: Admission::new(),
            seats: Seats::new(),
            pools: Pools::new(),
            bodies: Arc::default(),
            digests: DigestKey::new(&[7; 16]),
            clock: clock.clone(),
        };
        let observer = Observer {
            metrics: Arc::new(Metrics::new(Duration::ZERO).unwrap()),
            log: RequestLog::new(LogSink::new().0),
            clock: clock.clone(),
            journal: None,
        };
        let forwarder = Forwarder::new(clock, Arc::default());
        Gateway { shared: Arc::new(shared), forwarder, observer }
    }

    /// Sends one client's bytes and answers with all that comes back.
    async fn say(gateway: &Gateway, bytes: &str) -> String {
        let (mut stream, server) = tokio::io::duplex(1 << 16);
        let address = ([127, 0, 0, 1], 1).into();
        let client = Client::new(address, address.ip(), Scheme::Http);
        let conversation = Conversation::new();
        let answer = service_fn(|request| {
            let turn = conversation.begin();
            async { Ok::<_, Infallible>(gateway.handle(request, &client, turn).await) }
        });
        let serving = http1::Builder::new().serve_connection(TokioIo::new(server), answer);
        let asking = async {
            stream.write_all(bytes.as_bytes()).await.unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).await.unwrap();
            said
        };
        let (served, said) = tokio::join!(serving, asking);
        assert!(served.is_ok());
        said
    }

    #[test]
    fn a_panic_ends_one_request_and_its_connection_serves_on() {
        // A runtime without sockets: what has to be forwarded panics.
        let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let gateway = gateway();
        let request = |line: &str| {
            let basic = "QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTp4";
            format!("{line} HTTP/1.1\r\nhost: a\r\nauthorization: Basic {basic}\r\n")
        };
        let (panics, refused) = (request("GET /v1/Services"), request("GET /elsewhere"));
        let bytes = format!("{panics}\r\n{refused}\r\n{panics}connection: close\r\n\r\n");
        let said = runtime.block_on(say(&gateway, &bytes));
        let statuses: Vec<_> = said.split("HTTP/1.1 ").skip(1).map(|each| &each[..3]).collect();
        assert_eq!(statuses, ["500", "404", "500"]);
        assert_eq!(gateway.shared.admission.in_flight(), 0, "what it held is given back");
        let metrics = gateway.observer.metrics.render(&Readings::default()).unwrap();
        let failed = "maskgate_requests_total{decision=\"failed\",endpoint=\"ListService\"} 2";
        assert!(metrics.contains(failed), "{metrics}");
    }

    #[test]
    fn only_a_short_plain_request_id_is_kept() {
        assert!(is_harmless(b"0af7-trace_1.2:3"));
        assert!(!is_harmless(b""));
        assert!(!is_harmless(b"two words"));
        assert!(!is_harmless(b"quote\""));
        assert!(!is_harmless(&[b'a'; 129]));
    }
}
