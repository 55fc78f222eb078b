//! What the head of an answer comes to.

use crate::forward::AnswerFault;
use crate::forward::AnswerHead;
use crate::forward::AnswerReader;
use crate::ingress::FramingFault;
use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::Version;
use hyper::ext::ReasonPhrase;
use std::time::Duration;

/// What an answer with these bytes at its beginning comes to; it is whole.
fn head_to(asked: &Method, bytes: &str) -> Result<AnswerHead, AnswerFault> {
    let mut reader = AnswerReader::default();
    reader.begin();
    reader.room().extend_from_slice(bytes.as_bytes());
    let mut spare = HeaderMap::new();
    spare.insert("x-left-over", HeaderValue::from_static("1"));
    let head = reader.head(asked, &mut spare)?.expect("the head is whole");
    assert!(!head.parts.headers.contains_key("x-left-over"));
    Ok(head)
}

fn with(fields: &str) -> Result<AnswerHead, AnswerFault> {
    head_to(&Method::GET, &format!("HTTP/1.1 200 OK\r\n{fields}\r\n"))
}

fn names(head: &AnswerHead) -> Vec<&str> {
    head.parts.headers.keys().map(http::HeaderName::as_str).collect()
}

#[test]
fn the_fields_end_to_end_are_handed_on_as_they_came() {
    let head = with("Set-Cookie: a\r\nX-Odd:  b\t \r\nset-cookie: c\r\nX-None:\r\n").unwrap();
    assert_eq!(names(&head), ["set-cookie", "x-odd", "x-none"]);
    let cookies: Vec<_> = head.parts.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a", "c"]);
    assert_eq!(head.parts.headers["x-odd"], "b");
    assert_eq!(head.parts.headers["x-none"], "");
}

#[test]
fn what_was_meant_for_the_gateway_alone_ends_here() {
    let fields = "Connection: close, X-Hop, Content-Type\r\nconnection: x-other\r\nX-Hop: 1\r\n\
                  X-Other: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\n\
                  Proxy-Authentication-Info: x\r\nTrailer: x\r\nUpgrade: x\r\n\
                  Content-Type: x\r\nContent-Length: 3\r\n";
    let head = with(fields).unwrap();
    let mut left = names(&head);
    left.sort_unstable();
    assert_eq!(left, ["content-length", "content-type"]);
}

#[test]
fn a_length_beside_chunks_is_taken_out_whatever_it_says() {
    for length in ["3", "x", "3\r\nContent-Length: 5"] {
        let fields = format!("Content-Length: {length}\r\nTransfer-Encoding: Chunked\r\n");
        assert!(names(&with(&fields).unwrap()).is_empty());
    }
}

#[test]
fn an_answer_that_could_end_in_two_places_is_refused() {
    for (fields, fault) in [
        ("Content-Length: 5\r\nContent-Length: 5\r\n", FramingFault::SeveralLengths),
        ("Content-Length: 5, 5\r\n", FramingFault::BadLength),
        ("Content-Length: 005\r\n", FramingFault::BadLength),
        ("Content-Length: 99999999999999999999\r\n", FramingFault::BadLength),
        ("Transfer-Encoding: gzip, chunked\r\n", FramingFault::NotChunked),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            FramingFault::NotChunked,
        ),
    ] {
        let refused = with(fields).unwrap_err();
        assert!(matches!(refused, AnswerFault::Framing(found) if found == fault), "{fields}");
    }
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(matches!(head_to(&Method::GET, old), Err(AnswerFault::Framing(_))));
}

#[test]
fn another_request_may_follow_as_the_answer_says() {
    for (version, fields, keeps_alive) in [
        ("1.1", "Content-Length: 1\r\n", true),
        ("1.1", "Content-Length: 1\r\nConnection: x, Close\r\n", false),
        ("1.1", "Content-Length: 1\r\nConnection: close\r\nConnection: keep-alive\r\n", false),
        ("1.0", "Content-Length: 1\r\n", false),
        ("1.0", "Content-Length: 1\r\nConnection: Keep-Alive\r\n", true),
        ("1.1", "Transfer-Encoding: chunked\r\n", true),
        ("1.1", "", false), // it ends with its connection
    ] {
        let bytes = format!("HTTP/{version} 200 OK\r\n{fields}\r\n");
        let head = head_to(&Method::GET, &bytes).unwrap();
        assert_eq!(head.keeps_alive, keeps_alive, "{bytes}");
        assert_eq!(head.parts.version, Version::HTTP_11, "this hop's");
    }
    let limit =
        with("Content-Length: 1\r\nKeep-Alive: timeout=5, max=9\r\n").unwrap().idle_limit;
    assert_eq!(limit, Some(Duration::from_secs(4)));
}

#[test]
fn answers_without_a_body_have_none_whatever_they_announce() {
    for (asked, status) in [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 304)] {
        for fields in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
            let mut reader = AnswerReader::default();
            reader.begin();
            let bytes = format!("HTTP/1.1 {status} X\r\n{fields}\r\n");
            reader.room().extend_from_slice(bytes.as_bytes());
            let head = reader.head(&asked, &mut HeaderMap::new()).unwrap().unwrap();
            assert!(head.keeps_alive && reader.is_clear(), "{bytes}");
            assert_eq!(reader.left(), Some(0));
        }
    }
}

#[test]
fn the_reason_is_kept_where_it_is_not_the_usual_one() {
    let reason = |line: &str| {
        let head = head_to(&Method::GET, &format!("HTTP/1.1 {line}\r\n\r\n")).unwrap();
        let kept = head.parts.extensions.get::<ReasonPhrase>();
        kept.map(|reason| String::from_utf8(reason.as_bytes().to_vec()).unwrap())
    };
    assert_eq!(reason("200 OK"), None);
    assert_eq!(reason("200 Fine"), Some("Fine".to_owned()));
    assert_eq!(reason("299 Own"), Some("Own".to_owned()));
    assert_eq!(reason("200"), Some(String::new()));
}

#[test]
fn what_is_no_answer_is_refused() {
    for bytes in [
        "hello\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 O\0K\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX One: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-One : 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-One: a\r\n b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-One: a\rb\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-One: a\0b\r\n\r\n",
        "HTTP/1.1 200 OK\r\njunk\r\n\r\n",
    ] {
        assert!(matches!(head_to(&Method::GET, bytes), Err(AnswerFault::Head(_))), "{bytes:?}");
    }
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n";
    assert!(matches!(head_to(&Method::GET, upgrade), Err(AnswerFault::Upgrade)));
}

#[test]
fn interim_answers_are_passed_over() {
    let interim = "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n\
                   HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let bytes = format!("{interim}HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{{}}");
    let head = head_to(&Method::POST, &bytes).unwrap();
    assert_eq!(head.parts.status, StatusCode::CREATED);
    assert_eq!(names(&head), ["content-length"]);
}

#[test]
fn a_head_has_at_most_a_hundred_fields() {
    let fields = |count: usize| "X: 1\r\n".repeat(count);
    assert_eq!(with(&fields(100)).unwrap().parts.headers.len(), 100);
    assert!(matches!(with(&fields(101)), Err(AnswerFault::Head(_))));
}
