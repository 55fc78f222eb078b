//! What may a test do behind its client's back? Reset and fill the embedded backend, read what
//! reached it, and turn the clock. Shown on the admin listener, never on the public address.
//!
//! **Invariant:** whoever has a [`Control`] has the embedded backend in the same process; with
//! any other upstream there is none.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::Full;
use http_body_util::LengthLimitError;
use http_body_util::Limited;
use tokio::time;

use crate::backend::Backend;
use crate::backend::MAX_BODY;
use crate::page::JSON;
use crate::page::TEXT;
use crate::page::not_allowed;
use crate::page::page;
use crate::time::Clock;
use crate::time::Tick;

/// The pages, as the index of the admin listener lists them.
pub const INDEX: &str = "\
POST /backend/reset         forget all resources, and what was received
POST /backend/seed          make what a JSON document names
/backend/received           what reached the backend: counts
/clock                      what the clock shows
POST /clock/advance?by=5s   turn a clock that was started with --clock manual
";
/// What is answered where there is no control.
pub const ABSENT: &str = "\
/backend/… and /clock are for tests. They are there where the backend is the embedded one:
with `maskgate demo`, `maskgate test`, and `maskgate backend --admin ADDRESS`.
";

/// How long the body of a request may take.
const BODY_TIME: Duration = Duration::from_secs(10);
/// The furthest that the clock is turned at once: a year.
const MAX_ADVANCE: Duration = Duration::from_hours(366 * 24);
const BY: &str =
    "say by how much, at most 366d: /clock/advance?by=5s; units are ms, s, m, h, d\n";
const SYSTEM_CLOCK: &str = "\
this clock is the machine's and cannot be turned; start with `--clock manual`\n";

/// The embedded backend, and the clock that it shares with the gateway's windows.
#[derive(Debug)]
pub struct Control {
    backend: Arc<Backend>,
    clock: Clock,
    /// When it was made: the zero of the machine's clock is the machine's.
    begun: Tick,
}

/// Whether a path belongs to the control, whether there is one or not.
pub fn is_for(path: &str) -> bool {
    path == "/clock" || path.starts_with("/clock/") || path.starts_with("/backend/")
}

impl Control {
    /// The control of this backend and of the clock that it was made with.
    pub fn new(backend: Arc<Backend>, clock: Clock) -> Self {
        let begun = clock.now();
        Self { backend, clock, begun }
    }

    /// Answers a request for one of the pages of [`INDEX`].
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let reads = matches!(head.method, Method::GET | Method::HEAD);
        let writes = head.method == Method::POST;
        match head.uri.path() {
            "/backend/received" if reads => self.received(),
            "/clock" if reads => self.time(),
            "/backend/received" | "/clock" => not_allowed("GET, HEAD"),
            "/backend/reset" if writes => {
                self.backend.reset();
                page(StatusCode::NO_CONTENT, TEXT, "")
            }
            "/backend/seed" if writes => match read(body).await {
                Ok(document) => self.seed(&document),
                Err(refusal) => refusal,
            },
            "/clock/advance" if writes => self.advance(head.uri.query().unwrap_or_default()),
            "/backend/reset" | "/backend/seed" | "/clock/advance" => not_allowed("POST"),
            _ => page(StatusCode::NOT_FOUND, TEXT, INDEX),
        }
    }

    fn received(&self) -> Response<Full<Bytes>> {
        json(serde_json::to_string(&self.backend.received()))
    }

    fn seed(&self, document: &[u8]) -> Response<Full<Bytes>> {
        match self.backend.seed(document) {
            Ok(sids) => json(Ok(sids.to_string())),
            Err(error) => page(StatusCode::BAD_REQUEST, TEXT, format!("{error}\n")),
        }
    }

    fn time(&self) -> Response<Full<Bytes>> {
        let kind = if self.clock.is_manual() { "manual" } else { "system" };
        let elapsed = self.clock.now().since(self.begun);
        let date = self.backend.date();
        let (seconds, micros) = (elapsed.as_secs(), elapsed.subsec_micros());
        json(Ok(format!(
            "{{\"kind\":\"{kind}\",\"elapsed_seconds\":{seconds}.{micros:06},\"date\":{date}}}"
        )))
    }

    fn advance(&self, query: &str) -> Response<Full<Bytes>> {
        let by = query.split('&').find_map(|pair| pair.strip_prefix("by=")).and_then(span);
        match by {
            None => page(StatusCode::BAD_REQUEST, TEXT, BY),
            Some(by) if self.clock.advance(by) => self.time(),
            Some(_) => page(StatusCode::CONFLICT, TEXT, SYSTEM_CLOCK),
        }
    }
}

/// Reads `500ms`, `5s`, `2m`, `1h` or `90d`, up to [`MAX_ADVANCE`].
fn span(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
    let number: u64 = digits.parse().ok()?;
    let span = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        "h" => Duration::from_secs(number.checked_mul(60 * 60)?),
        "d" => Duration::from_secs(number.checked_mul(24 * 60 * 60)?),
        _ => return None,
    };
    (span <= MAX_ADVANCE).then_some(span)
}

async fn read<B>(body: B) -> Result<Bytes, Response<Full<Bytes>>>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    match time::timeout(BODY_TIME, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let text = "a document has at most 1 MiB\n";
            Err(page(StatusCode::PAYLOAD_TOO_LARGE, TEXT, text))
        }
        Ok(Err(_)) => Err(page(StatusCode::BAD_REQUEST, TEXT, "the document broke off\n")),
        Err(_elapsed) => {
            Err(page(StatusCode::REQUEST_TIMEOUT, TEXT, "the document did not come in time\n"))
        }
    }
}

fn json(text: serde_json::Result<String>) -> Response<Full<Bytes>> {
    match text {
        Ok(text) => page(StatusCode::OK, JSON, format!("{text}\n")),
        Err(error) => page(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::is_for;
    use super::span;
    use std::time::Duration;

    #[test]
    fn a_span_is_a_whole_number_and_a_unit() {
        assert_eq!(span("1500ms"), Some(Duration::from_millis(1500)));
        assert_eq!(span("5s"), Some(Duration::from_secs(5)));
        assert_eq!(span("2m"), Some(Duration::from_mins(2)));
        assert_eq!(span("1h"), Some(Duration::from_hours(1)));
        assert_eq!(span("90d"), Some(Duration::from_hours(90 * 24)));
        for text in ["", "5", "s", "-5s", "1.5s", "5 s", "367d", "18446744073709551615d"] {
            assert_eq!(span(text), None, "{text:?}");
        }
    }

    #[test]
    fn only_its_own_paths_are_its() {
        assert!(is_for("/clock") && is_for("/clock/advance") && is_for("/backend/other"));
        assert!(!is_for("/clocks") && !is_for("/") && !is_for("/metrics"));
    }
}
