//! The embedded masking backend: a stand-in for the hosted API, whole and in memory.
//!
//! A request is read as leniently as a server may (`route`, `credentials`, `form`), carried
//! out on its account's world (`operate`, `state`) and written as the API writes it
//! (`resource`, `page`, `error`). The readings that were chosen where the API is silent are in
//! `docs/backend.md`.
//!
//! **Invariant:** the backend knows nothing of the gateway but the API's table of operations.
//! It sets no limits; they are what the gateway in front of it is for.

mod country;
mod credentials;
mod decode;
mod draws;
mod error;
mod fault;
mod form;
mod moment;
mod numbering;
mod operate;
mod page;
mod received;
mod resource;
mod route;
mod seed;
mod serve;
mod state;
mod words;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header::ALLOW;
use http::header::CONTENT_TYPE;
use http::header::HOST;
use http::header::WWW_AUTHENTICATE;
use http::request::Parts;
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::Full;
use http_body_util::Limited;

pub use fault::ErrorRate;
pub use fault::ErrorRateError;
pub use fault::Latency;
pub use fault::LatencyError;
pub use fault::MAX_LATENCY;
pub use received::Received;
pub use seed::SeedError;
pub use serve::Server;

use crate::sid::Sid;
use crate::time::Clock;
use crate::time::Tick;
use crate::time::wall_clock;
use draws::Draws;
use error::Problem;
use fault::Faults;
use form::Form;
use moment::Moment;
use operate::Call;
use operate::Reply;
use resource::identifier;
use route::Route;
use state::Worlds;

/// The longest body that is read, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// How long the body of a request may take.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The cap on resources where none is given.
pub const DEFAULT_MAX_RESOURCES: usize = 1_000_000;

const REQUEST_ID: HeaderName = HeaderName::from_static("twilio-request-id");
const REQUEST_DURATION: HeaderName = HeaderName::from_static("twilio-request-duration");
const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=utf-8");
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"Twilio API\"");

/// How a backend behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Scheme and host of the addresses in answers, such as `https://proxy.example.com`. Where
    /// there is none they are those that the request was sent to.
    pub public_url: Option<String>,
    /// The account `AC…` of API keys `SK…`. Another key acts for the account with its digits.
    pub accounts: HashMap<Sid, Sid>,
    /// How long each answer waits.
    pub latency: Latency,
    /// The share of requests that are answered with 500 instead of being carried out.
    pub error_rate: ErrorRate,
    /// Makes SIDs, latencies and errors the same in every run with the same requests.
    pub seed: Option<u64>,
    /// The most resources that all accounts have together, in units of one resource and one
    /// for each full KiB of text in it.
    pub max_resources: usize,
    /// Dates and expiry follow it. Latencies do not.
    pub clock: Clock,
    /// Whether to count what arrives, for [`Backend::received`].
    pub count_received: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            public_url: None,
            accounts: HashMap::new(),
            latency: Latency::None,
            error_rate: ErrorRate::default(),
            seed: None,
            max_resources: DEFAULT_MAX_RESOURCES,
            clock: Clock::system(),
            count_received: false,
        }
    }
}

/// The stand-in for the hosted API. Its state goes with it.
pub struct Backend {
    public_url: Option<String>,
    accounts: HashMap<Sid, Sid>,
    clock: Clock,
    /// What the wall clock showed when the clock was at zero.
    begun: Duration,
    worlds: Worlds,
    sids: Draws,
    requests: Draws,
    faults: Faults,
    received: Option<received::Log>,
}

/// Without the resources, which are numbers and messages.
impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("used", &self.used()).finish_non_exhaustive()
    }
}

impl Backend {
    /// A backend without any state.
    pub fn new(options: Options) -> Self {
        let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
        let elapsed = options.clock.now().since(Tick::default());
        Self {
            public_url: options.public_url.map(|url| url.trim_end_matches('/').to_owned()),
            accounts: options.accounts,
            begun: wall_clock().saturating_sub(elapsed),
            clock: options.clock,
            worlds: Worlds::new(options.max_resources),
            sids: Draws::new(seed, 0),
            requests: Draws::new(seed, 1),
            faults: Faults::new(options.latency, options.error_rate, seed),
            received: options.count_received.then(received::Log::default),
        }
    }

    /// Answers one request: always, and always with JSON, or with nothing after a deletion.
    ///
    /// Needs tokio's timer.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let begun = self.clock.now();
        let (head, body) = request.into_parts();
        let body = if head.method == Method::POST { Some(read(body).await) } else { None };
        if let Some(delay) = self.faults.delay() {
            tokio::time::sleep(delay).await;
        }
        let route = Route::find(head.method.as_str(), head.uri.path());
        let endpoint = route.as_ref().ok().map(|route| route.endpoint);
        let outcome = if self.faults.strikes() {
            Err(Problem::Injected)
        } else {
            route.and_then(|route| self.pass(&head, &route, body.as_ref()))
        };
        let mut response = match outcome {
            Ok(reply) => written(reply.status, reply.body),
            Err(problem) => refused(problem, head.uri.path()),
        };
        if let Some(log) = &self.received {
            let body = body.as_ref().and_then(|body| body.as_ref().ok());
            log.add(endpoint, response.status(), &head, body);
        }
        self.sign(&mut response, begun);
        response
    }

    /// Forgets every account's resources, and what was received.
    pub fn reset(&self) {
        self.worlds.clear();
        if let Some(log) = &self.received {
            log.clear();
        }
    }

    /// What has been received since the start or the last reset; nothing where it is not
    /// counted.
    pub fn received(&self) -> Received {
        self.received.as_ref().map(received::Log::read).unwrap_or_default()
    }

    /// How much of the cap on resources is used, in its units.
    pub fn used(&self) -> usize {
        self.worlds.used()
    }

    /// The present as the backend dates it, in JSON: ISO 8601 to the second, in quotes.
    pub fn date(&self) -> String {
        // Writing a date into memory cannot fail.
        serde_json::to_string(&self.now()).unwrap_or_default()
    }

    fn now(&self) -> Moment {
        Moment::since_1970(self.begun).plus(self.clock.now().since(Tick::default()))
    }

    fn pass(
        &self,
        head: &Parts,
        route: &Route<'_>,
        body: Option<&Result<Bytes, Problem>>,
    ) -> Result<Reply, Problem> {
        let account = credentials::account(&head.headers, &self.accounts)?;
        route.check()?;
        let form = match body {
            Some(body) => Form::parse(
                std::str::from_utf8(body.as_ref().map_err(|problem| *problem)?)
                    .map_err(|_| form::NOT_TEXT)?,
            )?,
            None => Form::default(),
        };
        let call = Call {
            account,
            base: &self.base(head),
            route,
            query: head.uri.query().unwrap_or_default(),
            form: &form,
            now: self.now(),
            draws: &self.sids,
        };
        operate::run(&self.worlds, &call)
    }

    /// Carries out an operation that no client has sent.
    fn perform(
        &self,
        account: Sid,
        method: &str,
        path: &str,
        form: &Form,
    ) -> Result<Reply, Problem> {
        let route = Route::find(method, path)?;
        let (now, draws) = (self.now(), &self.sids);
        let call = Call { account, base: "", route: &route, query: "", form, now, draws };
        operate::run(&self.worlds, &call)
    }

    /// Adds what every answer of the API carries.
    fn sign(&self, response: &mut Response<Full<Bytes>>, begun: Tick) {
        let spent = self.clock.now().since(begun);
        let duration = format!("{}.{:03}", spent.as_secs(), spent.subsec_millis());
        let id = identifier("RQ", self.requests.bits().to_be_bytes());
        for (name, text) in [(REQUEST_ID, id), (REQUEST_DURATION, duration)] {
            if let Ok(value) = HeaderValue::try_from(text) {
                response.headers_mut().insert(name, value);
            }
        }
    }

    /// Scheme and host of the addresses in the answer.
    fn base(&self, head: &Parts) -> String {
        if let Some(url) = &self.public_url {
            return url.clone();
        }
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let authority = head.uri.authority().map(http::uri::Authority::as_str);
        let host = authority.or_else(|| header(HOST.as_str())).unwrap_or("localhost");
        let https = header("x-forwarded-proto")
            .and_then(|value| value.split(',').next())
            .is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"));
        [if https { "https://" } else { "http://" }, host].concat()
    }
}

async fn read<B>(body: B) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let body = Limited::new(body, MAX_BODY).collect();
    let body = tokio::time::timeout(BODY_TIME, body).await.map_err(|_| Problem::TooSlow)?;
    // One that breaks off has nobody left to be answered; a long one is the usual reason.
    Ok(body.map_err(|_| Problem::TooLarge)?.to_bytes())
}

fn written(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let empty = body.is_empty();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    if !empty {
        response.headers_mut().insert(CONTENT_TYPE, JSON);
    }
    response
}

fn refused(problem: Problem, path: &str) -> Response<Full<Bytes>> {
    let mut response = written(problem.status(), problem.envelope(path));
    match problem {
        Problem::Unauthenticated(_) => {
            response.headers_mut().insert(WWW_AUTHENTICATE, BASIC);
        }
        Problem::MethodNotAllowed(methods) => {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
        }
        Problem::Missing(_)
        | Problem::Invalid { .. }
        | Problem::PageSizeTooLarge
        | Problem::NotFound
        | Problem::TooLarge
        | Problem::TooSlow
        | Problem::Injected
        | Problem::Internal
        | Problem::Proxy(_) => {}
    }
    response
}
