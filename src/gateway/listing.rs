//! Which numbers does a service have? The upstream's own list, page by page, asked as the client
//! at hand would ask.
//!
//! **Invariant:** a page is asked for at the upstream in force, under the list's own path,
//! whatever address the page before names.

use std::collections::HashMap;

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::Uri;
use http::header::ACCEPT;
use http::header::AUTHORIZATION;
use http::header::HOST;
use http::header::USER_AGENT;
use http::request::Parts;
use http_body_util::BodyExt;
use http_body_util::Collected;
use http_body_util::Limited;

use crate::forward::Accept;
use crate::forward::AnswerBody;
use crate::forward::Caller;
use crate::forward::Forwarder;
use crate::forward::Outgoing;
use crate::learn;
use crate::learn::Facts;
use crate::learn::MOST_READ;
use crate::learn::NumberFact;
use crate::learn::Subject;
use crate::policy::endpoint::Endpoint;
use crate::policy::endpoint::Operation;
use crate::policy::pools::PoolKind;
use crate::policy::upstream::Upstream;
use crate::sid::Sid;

/// As many as the API gives at most.
const FIRST_PAGE: &str = "PageSize=100";
/// A list of more pages is longer than the two largest pools that can be configured (2,000,000
/// numbers), or never ends.
const MOST_PAGES: usize = 20_000;
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("maskgate/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Why a list is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListFault {
    /// The upstream refuses the caller (4xx).
    Refused,
    /// The upstream failed, or its answer is no list.
    Failed,
}

/// In whose name lists are asked for: with the credentials of one request.
#[derive(Clone)]
pub(super) struct Errand {
    headers: HeaderMap,
    caller: Caller,
    request_id: HeaderValue,
}

/// What lists of a service's numbers say.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) numbers: HashMap<Sid, PoolKind>,
    /// Whose they are; none where there is none.
    pub(super) account: Option<Sid>,
}

impl Errand {
    /// In the name of the client that sent this request.
    pub(super) fn of(head: &Parts, caller: &Caller, request_id: &HeaderValue) -> Self {
        let mut headers = HeaderMap::new();
        for name in [HOST, AUTHORIZATION] {
            headers.extend(head.headers.get(&name).map(|value| (name, value.clone())));
        }
        headers.insert(USER_AGENT, AGENT);
        headers.insert(ACCEPT, JSON);
        Self { headers, caller: caller.clone(), request_id: request_id.clone() }
    }

    /// Every number in one of a service's two lists.
    pub(super) async fn list(
        &self,
        forwarder: &Forwarder,
        upstream: &Upstream,
        list: Endpoint,
        service: Sid,
    ) -> Result<Listed, ListFault> {
        let path = path_of(list, service);
        let subject = Subject::of(list, &path);
        let mut listed = Listed::default();
        let mut next = format!("{path}?{FIRST_PAGE}");
        for _ in 0..MOST_PAGES {
            let known = listed.numbers.len();
            let answer = self.ask(forwarder, upstream, &next).await?;
            if is_gone(list, answer.status()) {
                return Ok(listed);
            }
            let page = page(answer).await?;
            let lesson = learn::read(&subject, &page).ok_or(ListFault::Failed)?;
            if let Facts::Numbers(facts) = lesson.facts {
                listed.numbers.extend(facts.iter().map(kind_of));
            }
            listed.account = listed.account.or(lesson.account);
            let has_more = listed.numbers.len() > known;
            match lesson.next_page {
                Some(_) if !has_more => return Err(ListFault::Failed), // it goes round
                Some(url) => next = below(&path, &url).ok_or(ListFault::Failed)?,
                None => return Ok(listed),
            }
        }
        Err(ListFault::Failed)
    }

    async fn ask(
        &self,
        forwarder: &Forwarder,
        upstream: &Upstream,
        target: &str,
    ) -> Result<Response<AnswerBody>, ListFault> {
        let request = Request::builder().method(Method::GET).uri(target).body(());
        let (mut head, ()) = request.map_err(|_| ListFault::Failed)?.into_parts();
        head.headers = self.headers.clone();
        let (caller, request_id) = (&self.caller, self.request_id.clone());
        let (body, accept) = (Bytes::new(), Accept::Identity);
        let head = Box::new(head);
        let outgoing = Outgoing { head, body, caller, request_id, accept };
        forwarder.send(upstream, outgoing).await.map_err(|_| ListFault::Failed)
    }
}

/// A number and the pool that it is in.
const fn kind_of(number: &NumberFact) -> (Sid, PoolKind) {
    (number.sid, PoolKind::of(number.is_reserved))
}

/// The list's path, as the table of operations has it.
fn path_of(list: Endpoint, service: Sid) -> String {
    let template = list.operation().map(Operation::path).unwrap_or_default();
    template.replace("{KS}", &service.to_string())
}

/// Short codes have left the API: an upstream without them has no list of them.
fn is_gone(list: Endpoint, status: StatusCode) -> bool {
    list == Endpoint::ListShortCode && status == StatusCode::NOT_FOUND
}

/// The whole of one page.
async fn page(answer: Response<AnswerBody>) -> Result<Bytes, ListFault> {
    let (head, body) = answer.into_parts();
    match head.status {
        status if status.is_success() => {}
        // To come too soon is no fault of the credentials.
        StatusCode::TOO_MANY_REQUESTS => return Err(ListFault::Failed),
        status if status.is_client_error() => return Err(ListFault::Refused),
        _ => return Err(ListFault::Failed),
    }
    learn::is_readable(&head.headers).map_err(|_| ListFault::Failed)?;
    let whole = Limited::new(body, MOST_READ).collect().await;
    whole.map(Collected::to_bytes).map_err(|_| ListFault::Failed)
}

/// The target of a page that `url` names, if it is one of the list at `path`. Where the address
/// leads to is not asked: another server would be sent the credentials.
fn below(path: &str, url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let query = uri.query()?;
    uri.path().eq_ignore_ascii_case(path).then(|| format!("{path}?{query}"))
}

#[cfg(test)]
mod tests {
    use super::below;
    use super::path_of;
    use crate::policy::endpoint::Endpoint;
    use crate::sid::Sid;
    use crate::sid::SidKind;

    const PATH: &str = "/v1/Services/KS01010101010101010101010101010101/PhoneNumbers";

    #[test]
    fn a_list_is_asked_for_by_the_path_of_its_operation() {
        let service = Sid::new(SidKind::Service, [1; 16]);
        assert_eq!(path_of(Endpoint::ListPhoneNumber, service), PATH);
    }

    #[test]
    fn the_next_page_is_one_of_the_same_list_at_the_same_upstream() {
        let next = format!("{PATH}?PageSize=100&PageToken=a%2Fb");
        for server in ["", "http://127.0.0.1:9000", "https://proxy.twilio.com"] {
            assert_eq!(below(PATH, &format!("{server}{next}")).as_deref(), Some(&next[..]));
        }
        for url in
            ["", "https://proxy.twilio.com", "/v1/Services?Page=1", PATH, "http://[/", "é"]
        {
            assert_eq!(below(PATH, url), None, "{url}");
        }
    }
}
