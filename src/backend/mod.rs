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
mod resource;
mod route;
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
        }
    }

    /// Answers one request: always, and always with JSON, or with nothing after a deletion.
    ///
    /// Needs tokio's timer where there is a latency.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let begun = self.clock.now();
        let (head, body) = request.into_parts();
        if let Some(delay) = self.faults.delay() {
            tokio::time::sleep(delay).await;
        }
        let outcome = if self.faults.strikes() {
            Err(Problem::Injected)
        } else {
            self.pass(&head, body).await
        };
        let mut response = match outcome {
            Ok(reply) => written(reply.status, reply.body),
            Err(problem) => refused(problem, head.uri.path()),
        };
        self.sign(&mut response, begun);
        response
    }

    /// Forgets every account's resources.
    pub fn reset(&self) {
        self.worlds.clear();
    }

    /// How much of the cap on resources is used, in its units.
    pub fn used(&self) -> usize {
        self.worlds.used()
    }

    async fn pass<B>(&self, head: &Parts, body: B) -> Result<Reply, Problem>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let route = Route::find(head.method.as_str(), head.uri.path())?;
        let account = credentials::account(&head.headers, &self.accounts)?;
        let form =
            if head.method == Method::POST { read(body).await? } else { Form::default() };
        let call = Call {
            account,
            base: &self.base(head),
            route: &route,
            query: head.uri.query().unwrap_or_default(),
            form: &form,
            now: Moment::since_1970(self.begun).plus(self.clock.now().since(Tick::default())),
            draws: &self.sids,
        };
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

async fn read<B>(body: B) -> Result<Form, Problem>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // A body that breaks off has nobody left to be answered; a long one is the usual reason.
    let body = Limited::new(body, MAX_BODY).collect().await.map_err(|_| Problem::TooLarge)?;
    let bytes = body.to_bytes();
    Form::parse(std::str::from_utf8(&bytes).map_err(|_| form::NOT_TEXT)?)
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
        | Problem::Injected
        | Problem::Internal
        | Problem::Proxy(_) => {}
    }
    response
}
