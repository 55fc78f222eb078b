//! Is the whole body here, within its size and its time?

use std::error::Error;

use bytes::Bytes;
use bytes::BytesMut;
use http_body::Body;
use http_body_util::BodyExt;

use crate::inspect::BODY_TIME;
use crate::inspect::patience;
use crate::inspect::violation::Found;
use crate::inspect::violation::Part;
use crate::inspect::violation::Violation;
use crate::policy::limit::BodyLimit;

/// Reads a body of at most `limit` bytes within [`BODY_TIME`]. Trailers are dropped.
pub(super) async fn whole<B>(body: B, limit: BodyLimit) -> Result<Bytes, Violation>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + Send + Sync + 'static,
{
    patience::within(BODY_TIME, collect(body, limit)).await.unwrap_or(Err(Violation::TooSlow))
}

/// A body in one piece is handed on without a copy. The buffer for one in several grows with
/// what has come, not with what was announced, so memory costs a client what it holds.
async fn collect<B>(mut body: B, limit: BodyLimit) -> Result<Bytes, Violation>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + Send + Sync + 'static,
{
    let Some(first) = next_piece(&mut body).await? else { return Ok(Bytes::new()) };
    within(first.len(), limit)?;
    let Some(second) = next_piece(&mut body).await? else { return Ok(first) };
    let mut whole = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(piece) = next {
        within(whole.len().saturating_add(piece.len()), limit)?;
        whole.extend_from_slice(&piece);
        next = next_piece(&mut body).await?;
    }
    Ok(whole.freeze())
}

/// The next piece that holds anything; none at the end.
async fn next_piece<B>(body: &mut B) -> Result<Option<Bytes>, Violation>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + Send + Sync + 'static,
{
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|error| Violation::Unreadable(Box::new(error)))?;
        if let Some(piece) = frame.into_data().ok().filter(|piece| !piece.is_empty()) {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

fn within(length: usize, limit: BodyLimit) -> Result<(), Violation> {
    if length > limit.max_bytes {
        return Err(too_large(Part::Body, Found::MoreThan(limit.max_bytes), limit));
    }
    Ok(())
}

/// The refusal of a `part` of this size.
pub(super) const fn too_large(part: Part, found: Found, limit: BodyLimit) -> Violation {
    Violation::TooLarge {
        part,
        max_bytes: limit.max_bytes,
        found,
        status: limit.oversize_status,
    }
}

#[cfg(test)]
mod tests {
    use crate::inspect::BODY_TIME;
    use crate::inspect::inspect;
    use crate::inspect::tests::class;
    use crate::inspect::tests::policy;
    use crate::policy::endpoint::Endpoint;
    use bytes::Bytes;
    use http::Request;
    use http::Response;
    use http_body_util::Full;
    use hyper::body::Incoming;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use std::convert::Infallible;
    use std::pin::pin;
    use std::time::Duration;
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;

    const HEAD: &str =
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-www-form-urlencoded\r\n";

    /// What the client does when it has sent everything.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Then {
        Waits,
        Leaves,
    }

    /// Answers with the body as it passed, or with what is wrong with it.
    async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let class = class(Endpoint::CreateSession);
        let verdict = inspect(&policy(), &class, &head, body).await;
        Ok(Response::new(Full::new(verdict.unwrap_or_else(|violation| {
            Bytes::from(format!("{}: {violation}", violation.kind().label()))
        }))))
    }

    /// Sends `writes` to a real server, each when it has done with the one before, and gives
    /// the whole of what it answers.
    async fn converse(writes: &[&str], then: Then) -> String {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let serving = tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .keep_alive(false)
                .half_close(true)
                .serve_connection(TokioIo::new(server), service_fn(answer)),
        );
        for part in writes {
            client.write_all(part.as_bytes()).await.unwrap();
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        }
        if then == Then::Leaves {
            client.shutdown().await.unwrap();
        }
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        drop(serving.await.unwrap());
        answer
    }

    #[test]
    fn a_body_that_comes_with_its_head_needs_no_timer() {
        // This runtime has no timers, and making one panics.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for body in
            ["content-length: 5\r\n\r\nTtl=5", "transfer-encoding: chunked\r\n\r\n0\r\n\r\n"]
        {
            let request = format!("{HEAD}{body}");
            let answer = runtime.block_on(converse(&[&request], Then::Waits));
            assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
            assert!(answer.ends_with("\r\n\r\nTtl=5") || answer.ends_with("\r\n\r\n"));
        }
    }

    #[tokio::test]
    async fn chunks_are_put_together_wherever_they_cut_an_escape() {
        let head = format!("{HEAD}transfer-encoding: chunked\r\n\r\n");
        let chunks = ["9\r\nTtl=1&a=%\r\n", "1\r\nF\r\n", "a\r\n0%9F%9A%95\r\n"];
        let end = "0\r\nx-trailer: 1\r\n\r\n";
        let writes = [&head, chunks[0], chunks[1], chunks[2], end];
        let answer = converse(&writes, Then::Waits).await;
        assert!(answer.ends_with("\r\n\r\nTtl=1&a=%F0%9F%9A%95"), "{answer}");
    }

    #[tokio::test]
    async fn a_client_that_waits_to_be_asked_is_asked_only_for_a_body_within_the_limit() {
        let expecting = format!("{HEAD}expect: 100-continue\r\n");
        let small = format!("{expecting}content-length: 5\r\n\r\n");
        let asked = converse(&[&small, "Ttl=5"], Then::Waits).await;
        assert!(asked.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"), "{asked}");
        let large = format!("{expecting}content-length: 262145\r\n\r\n");
        let refused = converse(&[&large], Then::Leaves).await;
        assert!(refused.starts_with("HTTP/1.1 200 OK"), "{refused}");
        assert!(refused.contains("body_size: The body has 262145 bytes"), "{refused}");
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_or_is_malformed_is_unreadable() {
        let short = format!("{HEAD}content-length: 9\r\n\r\nTtl=5");
        let chunked = format!("{HEAD}transfer-encoding: chunked\r\n\r\n");
        for rest in ["", "5\r\nTtl=5\r\n", "5\r\nTtl", "zz\r\n", "2\r\nTtl=5\r\n"] {
            let answer = converse(&[&chunked, rest], Then::Leaves).await;
            assert!(answer.contains("unreadable: The body could not be read"), "{answer}");
        }
        let answer = converse(&[&short], Then::Leaves).await;
        assert!(answer.contains("unreadable: The body could not be read"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_given_up_after_its_time() {
        let request = format!("{HEAD}content-length: 9\r\n\r\nTtl=5");
        let writes = [request.as_str()];
        let mut conversation = pin!(converse(&writes, Then::Waits));
        let almost = BODY_TIME.checked_sub(Duration::from_millis(5)).unwrap();
        tokio::time::timeout(almost, &mut conversation).await.unwrap_err();
        let answer = conversation.await;
        assert!(
            answer.contains("slow: The body did not arrive within 30 seconds."),
            "{answer}"
        );
    }
}
