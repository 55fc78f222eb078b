//! What happened? Every request ends in one [`Record`], which counts and logs it.
//!
//! **Invariant:** the stages neither log nor count. A record reports when it is dropped, so a
//! request whose client left, or whose answer broke off, is reported like any other.

mod advisory;
pub mod events;
pub mod journal;
mod line;
pub mod metrics;
mod outcome;
mod pools;
pub mod request_log;
pub mod store;
mod timestamp;
pub mod top;
pub mod traces;

use std::net::IpAddr;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::StatusCode;
use http::Version;
use http::header::EXPECT;
use http::request::Parts;
use http_body::Body;

use crate::admit::GiveBack;
use crate::admit::Permit;
use crate::agent::Agent;
use crate::classify::RequestClass;
use crate::forward::AnswerError;
use crate::links::Untouched;
use crate::policy::endpoint::Endpoint;
use crate::policy::log::AccessLog;
use crate::policy::log::LogPolicy;
use crate::policy::rate::Mode;
use crate::policy::rate::RateLimit;
use crate::pool::Full;
use crate::reject::Decision;
use crate::reject::Refusal;
use crate::reject::Rejection;
use crate::reject::UpstreamFault;
use crate::time::Clock;
use crate::time::Tick;
use journal::Growing;
use journal::Journal;
use journal::Sighting;
use journal::Tap;
use metrics::Metrics;
use outcome::LimitOutcome;
use outcome::Outcome;
use request_log::RequestLog;
use top::Tally;
use traces::Place;
use traces::Tracer;

/// One worker's view of what it reports to.
#[derive(Clone, Debug)]
pub struct Observer {
    /// Shared by all workers.
    pub metrics: Arc<Metrics>,
    /// The worker's own.
    pub log: Rc<RequestLog>,
    /// For how long a request took.
    pub clock: Clock,
    /// Shared by all workers, where a client is being tested.
    pub journal: Option<Arc<Journal>>,
    /// The worker's own.
    pub tally: Arc<Tally>,
    /// Where spans of requests are sent somewhere.
    pub tracer: Option<Tracer>,
}

/// What is known of one request; it is reported when this is dropped.
#[derive(Debug)]
pub struct Record {
    observer: Observer,
    log: LogPolicy,
    begun: Tick,
    client: IpAddr,
    request_id: HeaderValue,
    place: Option<Place>,
    class: Option<RequestClass>,
    upstream: Option<Duration>,
    outcome: Outcome,
    /// For the journal, where one is kept.
    seen: Option<Box<Seen>>,
}

/// What the journal is told, beside what every record knows.
#[derive(Debug)]
struct Seen {
    order: u64,
    connection: Option<SocketAddr>,
    fingerprint: Growing,
    agent: Agent,
    limit: Option<RateLimit>,
    enforced: bool,
    retry_after: Option<u64>,
}

impl Observer {
    /// A record of a request that begins now. Until it is told otherwise, the client has left.
    pub fn begin(&self, log: LogPolicy, client: IpAddr, request_id: HeaderValue) -> Record {
        Record {
            observer: self.clone(),
            log,
            begun: self.clock.now(),
            client,
            request_id,
            place: None,
            class: None,
            upstream: None,
            outcome: Outcome {
                decision: Decision::Abandoned,
                status: None,
                refusal: None,
                fault: None,
                on_trial: None,
                limit: None,
            },
            seen: None,
        }
    }
}

impl Record {
    /// When the request began.
    pub const fn begun(&self) -> Tick {
        self.begun
    }

    /// The value of `X-Request-Id`.
    pub const fn request_id(&self) -> &HeaderValue {
        &self.request_id
    }

    /// Where a journal is kept, the request is to be known again by its head and by what is read
    /// of its body.
    pub fn watch<B: Body<Data = Bytes> + Unpin>(
        &mut self,
        connection: SocketAddr,
        head: &Parts,
        body: B,
    ) -> Tap<B> {
        let connection = (head.version < Version::HTTP_2).then_some(connection);
        self.seen = self.observer.journal.as_ref().map(|journal| {
            Box::new(Seen {
                order: journal.next(),
                connection,
                fingerprint: Growing::of(head),
                agent: Agent::of(&head.headers),
                limit: None,
                enforced: true,
                retry_after: None,
            })
        });
        // Who waits to be asked for a body is not asked for the journal's sake, so that each
        // time it is known without.
        let seen = self.seen.as_ref().filter(|_| !head.headers.contains_key(EXPECT));
        Tap::new(body, seen.map(|seen| seen.fingerprint.clone()))
    }

    /// The request is one of the API's.
    pub const fn classified(&mut self, class: RequestClass) {
        self.class = Some(class);
    }

    /// What the request is, as far as it got.
    pub const fn class(&self) -> Option<&RequestClass> {
        self.class.as_ref()
    }

    /// The request goes on; a rule on trial may say that it should not.
    pub fn admitted(&mut self, permit: &Permit) {
        if let Some(seen) = &mut self.seen {
            seen.limit = Some(permit.limit);
            seen.enforced = permit.mode == Mode::Enforce;
        }
        let Some(denial) = &permit.would_deny else { return };
        self.outcome.on_trial = Some(Refusal::from(denial));
        self.outcome.limit = LimitOutcome::of_rate(denial);
        if let Some(class) = self.class {
            self.observer.metrics.count_shadow_refusal(class.endpoint);
        }
    }

    /// The request holds room in a pool; a rule on trial may say that there is none.
    pub fn held(&mut self, would_refuse: Option<Full>) {
        let Some(full) = would_refuse else { return };
        self.outcome.on_trial = Some(Refusal::Pool);
        self.outcome.limit = Some(LimitOutcome::of_full(&full));
        self.observer.metrics.count_pool_shadow_refusal(full.kind);
    }

    /// The upstream has begun an answer, `sent` being when it was asked; the charge to the window
    /// may have been given back.
    pub fn answered(&mut self, status: StatusCode, sent: Tick, given_back: Option<GiveBack>) {
        let taken = self.observer.clock.now().since(sent);
        self.observer.metrics.observe_upstream(taken);
        if let Some(reason) = given_back {
            self.observer.metrics.count_give_back(reason);
        }
        self.upstream = Some(taken);
        self.outcome.decision = Decision::Forwarded;
        self.outcome.status = Some(status);
    }

    /// The links in the answer stay as they are.
    pub fn left_links(&self, why: Untouched) {
        self.observer.metrics.count_untouched_links(why);
    }

    /// The upstream's answer broke off; the client sees its connection close.
    pub fn broke_off(&mut self, error: &AnswerError) {
        self.outcome.decision = Decision::UpstreamFailed;
        self.outcome.fault = Some(UpstreamFault::from(error));
    }

    /// The gateway answers itself.
    pub fn rejected(&mut self, rejection: &Rejection, status: StatusCode) {
        self.outcome.decision = rejection.decision();
        self.outcome.status = Some(status);
        self.outcome.refusal = rejection.refusal();
        match rejection {
            Rejection::Denied(denial) => {
                self.outcome.limit = LimitOutcome::of_rate(denial);
                if let Some(seen) = &mut self.seen {
                    seen.limit = denial.limit();
                    seen.retry_after = Some(denial.seconds_to_wait());
                }
            }
            Rejection::Upstream(error) => self.outcome.fault = Some(UpstreamFault::from(error)),
            Rejection::Head(_)
            | Rejection::Unroutable(_)
            | Rejection::Invalid(_)
            | Rejection::Panicked(_) => {}
            Rejection::Pool(denial) => self.outcome.limit = LimitOutcome::of_pool(denial),
        }
    }

    fn endpoint(&self) -> Option<Endpoint> {
        self.class.map(|class| class.endpoint)
    }

    fn is_logged(&self) -> bool {
        match self.log.access {
            AccessLog::All => true,
            AccessLog::Refused => {
                self.outcome.decision != Decision::Forwarded || self.outcome.on_trial.is_some()
            }
            AccessLog::Off => false,
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let ended = self.observer.clock.now();
        let whole = ended.since(self.begun);
        if let Some(class) = &self.class {
            self.observer.tally.note(class, self.outcome.decision, ended);
        }
        let metrics = &self.observer.metrics;
        metrics.count_request(self.endpoint(), self.outcome.decision, whole);
        if let Some(refusal) = self.outcome.refusal {
            metrics.count_refusal(refusal);
        }
        if let Some(fault) = self.outcome.fault {
            metrics.count_upstream_error(fault);
        }
        if self.is_logged() {
            self.write_line(whole);
        }
        self.offer_span(whole);
        if let (Some(journal), Some(seen)) = (&self.observer.journal, &self.seen) {
            journal.add(Sighting {
                order: seen.order,
                connection: seen.connection,
                begun: self.begun,
                ended,
                class: self.class,
                request: seen.fingerprint.value(),
                agent: seen.agent,
                decision: self.outcome.decision,
                refusal: self.outcome.refusal,
                limit: seen.limit,
                enforced: seen.enforced,
                retry_after: seen.retry_after,
            });
        }
    }
}
