//! Bodies with two framings, of another format, too large, or where none may be.

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::Full;

use super::FORM;
use super::Pieces;
use super::Untouched;
use super::at_once;
use super::class;
use super::head;
use super::judge;
use super::memory;
use super::message;
use super::policy;
use super::post;
use super::post_form;
use crate::inspect::inspect;
use crate::inspect::violation::Violation;
use crate::inspect::violation::ViolationKind;
use crate::policy::endpoint::Endpoint;
use crate::policy::endpoint::Method;

#[test]
fn a_get_or_a_delete_with_a_body_is_refused() {
    for (endpoint, method) in
        [(Endpoint::ListSession, Method::Get), (Endpoint::DeleteSession, Method::Delete)]
    {
        let with = |name: &str, value: &str| {
            head(Request::builder().method(method.as_str()).header(name, value))
        };
        let framed = [with("content-length", "5"), with("transfer-encoding", "chunked")];
        for head in framed {
            let refused = judge(endpoint, &head, Untouched).unwrap_err();
            assert!(
                matches!(refused, Violation::BodyNotAllowed(found) if found == method.as_str())
            );
        }
        let bare = head(Request::builder().method(method.as_str()));
        judge(endpoint, &bare, Full::from("Ttl=5")).unwrap_err();
        // Some clients name a type, and a length of 0, on requests without a body.
        for head in [bare, with("content-length", "0"), with("content-type", FORM)] {
            assert_eq!(judge(endpoint, &head, Full::default()).unwrap(), Bytes::new());
        }
    }
}

#[test]
fn a_request_with_two_framings_is_refused_whatever_it_asks_for() {
    for endpoint in [Endpoint::ListSession, Endpoint::CreateSession, Endpoint::Unmatched] {
        let two = head(
            Request::post("/")
                .header("content-type", FORM)
                .header("content-length", 5)
                .header("transfer-encoding", "chunked"),
        );
        let refused = judge(endpoint, &two, Untouched).unwrap_err();
        assert_eq!(refused.kind(), ViolationKind::Framing);
    }
}

#[test]
fn a_body_in_another_format_is_refused_unread_and_an_empty_one_has_none() {
    let json = || Request::post("/").header("content-type", "application/json");
    let typed = head(json().header("content-length", 5));
    let refused = judge(Endpoint::CreateSession, &typed, Untouched).unwrap_err();
    assert_eq!(refused.kind(), ViolationKind::ContentType);
    let chunked = head(json().header("transfer-encoding", "chunked"));
    judge(Endpoint::CreateSession, &chunked, Full::from("{}")).unwrap_err();
    // One official client sends an empty list as a chunked body of nothing.
    judge(Endpoint::CreateSession, &chunked, Full::default()).unwrap();
    let empty = head(Request::post("/").header("content-length", 0));
    judge(Endpoint::CreateSession, &empty, Full::default()).unwrap();
    let coded = head(
        Request::post("/")
            .header("content-type", FORM)
            .header("content-encoding", "gzip")
            .header("content-length", 5),
    );
    judge(Endpoint::CreateSession, &coded, Untouched).unwrap_err();
}

#[test]
fn a_body_of_exactly_the_limit_passes_and_one_byte_more_is_refused_unread() {
    let max = policy().limits.body.max_bytes;
    for endpoint in [Endpoint::CreateMessageInteraction, Endpoint::Unmatched] {
        post(endpoint, "x".repeat(max)).unwrap();
        assert_eq!(
            message(judge(endpoint, &post_form(max + 1), Untouched)),
            format!("The body has {} bytes; at most {max} are allowed.", max + 1)
        );
    }
}

#[test]
fn a_body_without_a_length_is_read_no_further_than_one_byte_past_the_limit() {
    let max = policy().limits.body.max_bytes;
    let chunked = head(
        Request::post("/").header("content-type", FORM).header("transfer-encoding", "chunked"),
    );
    let form = "x".repeat(max + 5);
    let pieces = |length: usize| Pieces::of(form.as_bytes()[..length].chunks(1));
    for endpoint in [Endpoint::CreateMessageInteraction, Endpoint::Unmatched] {
        assert_eq!(judge(endpoint, &chunked, pieces(max)).unwrap().len(), max);
        let mut body = pieces(max + 5);
        assert_eq!(
            message(judge(endpoint, &chunked, &mut body)),
            format!("The body has more than {max} bytes; at most {max} are allowed.")
        );
        assert_eq!(body.0.len(), 4);
    }
}

#[test]
fn a_query_above_the_limit_is_refused() {
    let mut policy = policy();
    policy.limits.body.max_bytes = 10;
    let class = class(Endpoint::CreateSession);
    let judge = |uri: &str| {
        at_once(inspect(
            &policy,
            &memory(),
            &class,
            &head(Request::post(uri)),
            Full::<Bytes>::default(),
        ))
    };
    judge("/?a=23456789").unwrap();
    assert_eq!(
        message(judge("/?a=234567890")),
        "The query string has 11 bytes; at most 10 are allowed."
    );
}

#[test]
fn what_is_none_of_the_apis_operations_is_judged_by_its_size_alone() {
    let odd = head(
        Request::put("/other?Ttl=%zz")
            .header("content-type", "application/json")
            .header("content-encoding", "gzip"),
    );
    let body = Bytes::from_static(b"Ttl=0&a=%zz\xff");
    assert_eq!(judge(Endpoint::Unmatched, &odd, Full::new(body.clone())).unwrap(), body);
}

#[test]
fn a_body_in_one_piece_is_handed_on_without_a_copy_and_trailers_are_dropped() {
    let form = Bytes::from("UniqueName=a".to_owned());
    let passed = post(Endpoint::CreateSession, form.clone()).unwrap();
    assert_eq!(passed.as_ptr(), form.as_ptr());
    let frames = vec![
        Frame::data(Bytes::new()),
        Frame::data(form.clone()),
        Frame::trailers(head(Request::get("/").header("x-checksum", "1")).headers),
    ];
    let body = Pieces(frames.into_iter());
    let passed = judge(Endpoint::CreateSession, &post_form(form.len()), body).unwrap();
    assert_eq!(passed.as_ptr(), form.as_ptr());
}

#[test]
fn a_field_of_the_head_behind_the_body_is_refused() {
    let form = Bytes::from_static(b"UniqueName=a");
    let smuggled = head(Request::get("/").header("content-length", "1")).headers;
    let frames = vec![Frame::data(form.clone()), Frame::trailers(smuggled)];
    let body = Pieces(frames.into_iter());
    let refused = judge(Endpoint::CreateSession, &post_form(form.len()), body).unwrap_err();
    assert_eq!(refused.kind(), ViolationKind::Framing);
}
