//! Is the backend as slow, as unreliable and as small as it was asked to be?

#![expect(clippy::unwrap_used, reason = "tests stop where they fail")]

use std::convert::Infallible;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body::Frame;
use http_body_util::Empty;
use maskgate::backend::Backend;
use maskgate::backend::ErrorRate;
use maskgate::backend::Latency;
use maskgate::backend::Options;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::support::ACCOUNT;
use crate::support::Client;
use crate::support::basic;

fn with_errors(seed: u64) -> Client {
    let error_rate = ErrorRate::new(0.2).unwrap();
    Client::with(Options { error_rate, seed: Some(seed), ..Options::default() })
}

#[test]
fn the_share_of_errors_that_was_asked_for_is_not_carried_out() {
    let client = with_errors(1);
    let mut made: usize = 0;
    for index in 0..1000 {
        let answer = client.post("/v1/Services", &[("UniqueName", &index.to_string())]);
        match answer.error() {
            (201, 0) => made = made.saturating_add(1),
            error => assert_eq!(error, (500, 20500)),
        }
    }
    assert!((750..850).contains(&made), "{made}");
    assert_eq!(client.backend.used(), made);
}

#[test]
fn a_seed_makes_the_same_requests_fail() {
    let failures = |seed| {
        let client = with_errors(seed);
        (0..200).map(|_| client.get("/v1/Services").status).collect::<Vec<_>>()
    };
    assert_eq!(failures(1), failures(1));
    assert_ne!(failures(1), failures(2));
}

#[test]
fn an_answer_waits_for_its_latency() {
    let answered = |latency, wait| {
        let latency = Latency::Fixed(latency);
        let backend = Backend::new(Options { latency, ..Options::default() });
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let request = http::Request::new(Empty::new());
        runtime.block_on(async { timeout(wait, backend.answer(request)).await.is_ok() })
    };
    let (short, long) = (Duration::from_millis(1), Duration::from_mins(1));
    assert!(!answered(long, short));
    assert!(answered(short, long));
}

/// A body that is announced and never comes.
struct Silent;

impl Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for_for_long() {
    for (password, expected) in [("wrong", 401), ("secret", 408)] {
        let request = http::Request::post("/v1/Services");
        let request = request.header("authorization", basic(ACCOUNT, password));
        let (request, backend) =
            (request.body(Silent).unwrap(), Backend::new(Options::default()));
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let answer = runtime.unwrap().block_on(backend.answer(request));
        assert_eq!(answer.status(), expected);
    }
}

#[test]
fn the_cap_on_resources_is_a_clear_error_and_deleting_makes_room() {
    let client = Client::with(Options { max_resources: 4, ..Options::default() });
    // A service, its number, a session and its one participant.
    let service = client.service_with_number();
    let sessions = format!("{service}/Sessions");
    let ann = crate::support::person(crate::support::ANN);
    let bob = crate::support::person(crate::support::BOB);
    let two = client.post(&sessions, &[("Participants", &ann), ("Participants", &bob)]);
    assert_eq!(two.error(), (400, 80501));
    assert_eq!(client.backend.used(), 2);
    let session = client.made(&sessions, &[("Participants", &ann)]);
    assert_eq!(client.post(&sessions, &[]).error(), (400, 80501));
    assert_eq!(client.post("/v1/Services", &[("UniqueName", "x")]).error(), (400, 80501));
    assert_eq!(client.get(&service).status, 200);
    client.delete(&session);
    client.made(&sessions, &[]);
}

#[test]
fn long_texts_count_as_more_than_one_resource() {
    let client = Client::with(Options { max_resources: 10, ..Options::default() });
    let long = "x".repeat(5000);
    let service = client.service("one");
    assert_eq!(client.post(&service, &[("CallbackUrl", &long)]).status, 200);
    assert_eq!(client.backend.used(), 5);
    assert_eq!(client.post(&service, &[("InterceptCallbackUrl", &long)]).status, 200);
    assert_eq!(client.backend.used(), 10);
    assert_eq!(client.post(&service, &[("UniqueName", &long)]).error(), (400, 80501));
    assert_eq!(client.post(&service, &[("CallbackUrl", "")]).status, 200);
    assert_eq!(client.backend.used(), 5);
}

#[test]
fn what_is_printed_of_a_backend_has_no_number_in_it() {
    let client = Client::new();
    client.session_of_two();
    assert!(!format!("{:?}", client.backend).contains("1415555"));
}
