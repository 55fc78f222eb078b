//! Is the whole body here, within its size and its time?

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytes::BytesMut;
use http_body::Body;
use http_body_util::BodyExt;

use crate::budget::ByteBudget;
use crate::budget::Charge;
use crate::budget::NoRoom;
use crate::inspect::patience;
use crate::inspect::trailers;
use crate::inspect::violation::Found;
use crate::inspect::violation::Part;
use crate::inspect::violation::Violation;
use crate::policy::Policy;
use crate::policy::clients::ClientTimeouts;
use crate::policy::limit::BodyLimit;

/// What a body is held to while it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance<'a> {
    /// Its size.
    pub(super) limit: BodyLimit,
    /// From the moment it is asked for.
    pub(super) whole: Duration,
    /// From one piece to the next.
    pub(super) gap: Duration,
    /// What it is charged to.
    pub(super) memory: &'a Arc<ByteBudget>,
    /// What all bodies together may be, in bytes.
    pub(super) max_held: usize,
}

impl<'a> Allowance<'a> {
    /// What the policy allows.
    pub(super) const fn of(policy: &Policy, memory: &'a Arc<ByteBudget>) -> Self {
        let ClientTimeouts { body, body_gap, .. } = policy.clients.timeouts;
        let limit = policy.limits.body;
        let max_held = policy.limits.body_memory;
        Self { limit, whole: body, gap: body_gap, memory, max_held }
    }

    /// Charges for the next piece of a body that has `length` bytes with it.
    fn charge(
        &self,
        piece: &Bytes,
        length: usize,
        charge: &mut Charge,
    ) -> Result<(), Violation> {
        within(length, self.limit)?;
        let max_bytes = self.max_held;
        charge.grow(piece.len(), max_bytes).map_err(|NoRoom| Violation::NoRoom { max_bytes })
    }
}

/// Reads a body to its end. Trailers are dropped.
pub(super) async fn whole<B>(body: B, allowed: Allowance<'_>) -> Result<Bytes, Violation>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + Send + Sync + 'static,
{
    let read = patience::within(allowed.whole, pin!(collect(body, allowed))).await;
    read.unwrap_or(Err(Violation::TooSlow { allowed: allowed.whole }))
}

/// A body in one piece is handed on without a copy. The buffer for one in several grows with
/// what has come, not with what was announced, so memory costs a client what it holds.
async fn collect<B>(mut body: B, allowed: Allowance<'_>) -> Result<Bytes, Violation>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + Send + Sync + 'static,
{
    let gap = allowed.gap;
    let mut charge = allowed.memory.charge();
    let Some(first) = next_piece(&mut body, gap).await? else { return Ok(Bytes::new()) };
    allowed.charge(&first, first.len(), &mut charge)?;
    let Some(second) = next_piece(&mut body, gap).await? else {
        return Ok(charge.hold(first));
    };
    let mut whole = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(piece) = next {
        let length = whole.len().saturating_add(piece.len());
        allowed.charge(&piece, length, &mut charge)?;
        whole.extend_from_slice(&piece);
        next = next_piece(&mut body, gap).await?;
    }
    Ok(charge.hold(whole.freeze()))
}

/// The next piece that holds anything, within `gap`; none at the end.
async fn next_piece<B>(body: &mut B, gap: Duration) -> Result<Option<Bytes>, Violation>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + Send + Sync + 'static,
{
    let next = patience::within(gap, pin!(next(body))).await;
    next.unwrap_or(Err(Violation::Stalled { allowed: gap }))
}

async fn next<B>(body: &mut B) -> Result<Option<Bytes>, Violation>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + Send + Sync + 'static,
{
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|error| Violation::Unreadable(Box::new(error)))?;
        match frame.into_data() {
            Ok(piece) if piece.is_empty() => {}
            Ok(piece) => return Ok(Some(piece)),
            Err(frame) if frame.trailers_ref().is_some_and(trailers::are_harmless) => {}
            Err(_) => return Err(Violation::Trailers),
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
    use crate::inspect::inspect;
    use crate::inspect::tests::class;
    use crate::inspect::tests::memory;
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
        let verdict = inspect(&policy(), &memory(), &class, &head, body).await;
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

    /// What is answered to a body of nine bytes, sent one each `pause`, and when.
    #[expect(clippy::disallowed_methods, reason = "the runtime's time stands and is turned")]
    async fn drip(bytes: usize, pause: Duration) -> (String, Duration) {
        let (client, server) = tokio::io::duplex(1 << 20);
        let serving = tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .keep_alive(false)
                .serve_connection(TokioIo::new(server), service_fn(answer)),
        );
        let (mut reading, mut writing) = tokio::io::split(client);
        let begun = tokio::time::Instant::now();
        let head = format!("{HEAD}content-length: 9\r\n\r\n");
        writing.write_all(head.as_bytes()).await.unwrap();
        let dripping = tokio::spawn(async move {
            for _ in 0..bytes {
                tokio::time::sleep(pause).await;
                drop(writing.write_all(b"a").await);
            }
            std::future::pending::<()>().await;
        });
        let mut text = String::new();
        reading.read_to_string(&mut text).await.unwrap();
        let taken = begun.elapsed();
        dripping.abort();
        drop(serving.await.unwrap());
        (text, taken)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_given_up_after_its_time() {
        let (answer, taken) = drip(8, Duration::from_secs(4)).await;
        assert!(answer.contains("slow: The body did not arrive within 30s."), "{answer}");
        assert_eq!(taken.as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_given_up_after_the_gap_between_two_pieces() {
        for sent in [0, 2] {
            let (answer, taken) = drip(sent, Duration::from_secs(1)).await;
            assert!(answer.contains("slow: The body stalled for 5s."), "{answer}");
            assert_eq!(taken.as_secs(), u64::try_from(sent).unwrap() + 5);
        }
    }
}
