//! What holds for any form at all.

use std::pin::pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use bytes::Bytes;
use http::Request;
use proptest::collection::vec;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::proptest;
use proptest::strategy::Just;

use super::Pieces;
use super::class;
use super::memory;
use super::policy;
use super::post;
use crate::inspect::form::pairs;
use crate::inspect::inspect;
use crate::policy::endpoint::Endpoint;

/// Bytes that look like a form often enough to get far.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just(b"&".to_vec()),
        Just(b"=".to_vec()),
        Just(b"%".to_vec()),
        Just(b"+".to_vec()),
        Just(b"Ttl=".to_vec()),
        Just(b"&UniqueName=".to_vec()),
        Just(b"&Participants=".to_vec()),
        Just(b"%7B%22Identifier%22:".to_vec()),
        Just(b"\"%5C%22".to_vec()),
        Just(b"{}[]\\u".to_vec()),
        Just("%F0%9F%9A%95é€🚕".as_bytes().to_vec()),
        Just("x".repeat(190).into_bytes()),
        vec(any::<u8>(), 0..4),
    ];
    vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

/// A form whose pairs are any text, encoded as a client would.
fn valid() -> impl Strategy<Value = Vec<(String, String)>> {
    vec((any::<String>(), any::<String>()), 0..6)
}

fn verdict_on_pieces(form: &[u8], size: usize) -> Result<Bytes, String> {
    let head = Request::post("/")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("transfer-encoding", "chunked")
        .body(())
        .unwrap()
        .into_parts()
        .0;
    let (policy, class) = (policy(), class(Endpoint::CreateSession));
    let memory = memory();
    let judging = inspect(&policy, &memory, &class, &head, Pieces::of(form.chunks(size)));
    match pin!(judging).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(verdict) => verdict.map_err(|violation| violation.to_string()),
        Poll::Pending => panic!("the pieces are all there"),
    }
}

proptest! {
    #[test]
    fn any_bytes_get_a_verdict_and_pass_unchanged_if_they_pass(form in hostile()) {
        for endpoint in [Endpoint::CreateSession, Endpoint::UpdateService] {
            if let Ok(passed) = post(endpoint, form.clone()) {
                prop_assert_eq!(&passed[..], &form[..]);
            }
        }
    }

    #[test]
    fn a_body_in_pieces_gets_the_verdict_of_the_whole(form in hostile(), size in 1..40_usize) {
        let whole = post(Endpoint::CreateSession, form.clone());
        prop_assert_eq!(
            verdict_on_pieces(&form, size),
            whole.map_err(|violation| violation.to_string())
        );
    }

    #[test]
    fn sizes_are_those_of_a_parser_that_allocates(pairs_of_text in valid()) {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&pairs_of_text)
            .finish();
        let naive: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
        // `a=` and an empty pair differ, and the other parser skips the same ones.
        let ours: Vec<_> = pairs(form.as_bytes()).collect();
        prop_assert_eq!(ours.len(), naive.len());
        for (pair, (name, value)) in ours.iter().zip(&naive) {
            let size = pair.value.size().unwrap();
            prop_assert_eq!((size.chars, size.bytes), (value.chars().count(), value.len()));
            prop_assert!(pair.name.is(name));
            prop_assert_eq!(pair.name.decode().unwrap(), name.as_ref());
            prop_assert_eq!(pair.value.decode().unwrap(), value.as_ref());
        }
    }

    #[test]
    fn what_is_readable_is_read_as_a_parser_that_allocates_reads_it(form in hostile()) {
        for (pair, (name, value)) in pairs(&form).zip(form_urlencoded::parse(&form)) {
            if pair.readable().is_ok() {
                prop_assert_eq!(pair.name.decode().unwrap(), name);
                prop_assert_eq!(pair.value.decode().unwrap(), value.as_ref());
                prop_assert_eq!(pair.value.size().unwrap().chars, value.chars().count());
            } else {
                prop_assert!(pair.name.size().is_err() || pair.value.size().is_err());
            }
        }
    }
}
