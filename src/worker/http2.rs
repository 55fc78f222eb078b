//! A client that speaks HTTP/2 (RFC 9113). Its requests are the same to the gateway, and go out in
//! HTTP/1.1 as all do.

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::task;
use tokio::time;

use crate::door::ClientTransport;
use crate::gateway::Client;
use crate::ingress;
use crate::policy::clients::ClientTimeouts;
use crate::worker::Local;
use crate::worker::Stage;
use crate::worker::connection::ServeError;
use crate::worker::conversation::Conversation;
use crate::worker::frames::Frames;
use crate::worker::reached;

/// Requests under way on one connection.
const MAX_STREAMS: u32 = 100;
/// What a client may send of one body before it is read, in bytes: a form that is refused unread
/// costs no more.
const STREAM_WINDOW: u32 = 64 * 1024;
/// What it may send of all its bodies.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// The largest fields of a request, in bytes as RFC 9113 §6.5.2 counts them.
const MAX_FIELD_BYTES: u32 = 16 * 1024;
/// What is kept of an answer whose client does not take it, in bytes.
const SEND_BUFFER: usize = 64 * 1024;
/// Streams that a client has reset before they were begun, and errors of its own making, before
/// the connection ends ("rapid reset", CVE-2023-44487 and 2025-8671).
const MAX_PENDING_RESETS: usize = 20;
const MAX_LOCAL_RESETS: usize = 256;
/// How often a client is asked whether it is there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Stalled clients are looked for so often within their limit.
const LOOKS: u32 = 8;

/// Runs the connection's own tasks on the worker's thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnThisThread;

impl<F: Future<Output = ()> + 'static> Executor<F> for OnThisThread {
    fn execute(&self, future: F) {
        task::spawn_local(future);
    }
}

pub(super) fn builder() -> http2::Builder<OnThisThread> {
    let mut builder = http2::Builder::new(OnThisThread);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_FIELD_BYTES)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// Serves a connection until it ends, is idle for too long, or a client takes nothing of an
/// answer for too long. At a drain it says so, and what is under way ends.
pub(super) async fn serve(
    local: &Rc<Local>,
    frames: Frames<ClientTransport>,
    client: Client,
    timeouts: ClientTimeouts,
) -> Result<(), ServeError> {
    let (client, conversation) = (Rc::new(client), Conversation::new());
    let answer = service_fn({
        let (local, conversation) = (Rc::clone(local), Rc::clone(&conversation));
        move |mut request: Request<Incoming>| {
            let (local, client) = (Rc::clone(&local), Rc::clone(&client));
            let turn = conversation.begin();
            let judged = ingress::as_http1(&mut request);
            async move {
                let mut answer = local.gateway.handle(request.into(), &client, judged).await;
                ingress::without_connection_fields(answer.headers_mut());
                Ok::<_, Infallible>(answer.map(|body| turn.with(body)))
            }
        }
    });
    let mut serving = pin!(local.http2.serve_connection(TokioIo::new(frames), answer));
    let mut stage = local.stage.clone();
    tokio::select! {
        biased;
        served = serving.as_mut() => return Ok(served?),
        () = reached(&mut stage, Stage::Draining) => {}
        () = conversation.idle(timeouts.idle) => {}
        () = stalled(&conversation, timeouts.write) => return Ok(()),
    }
    serving.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        served = serving.as_mut() => Ok(served?),
        () = stalled(&conversation, timeouts.write) => Ok(()),
        // What was handed to h2 may wait for a window that never opens.
        () = nothing_left(&conversation, timeouts.write) => Ok(()),
    }
}

/// Waits until nothing is under way, `limit` at least: a request may cross the word that it is over.
async fn nothing_left(conversation: &Conversation, limit: Duration) {
    loop {
        time::sleep(limit).await;
        if !conversation.is_busy() {
            return;
        }
    }
}

/// Waits until a client has taken nothing of some answer for as long as `limit`.
async fn stalled(conversation: &Conversation, limit: Duration) {
    while !conversation.has_waited(LOOKS) {
        time::sleep(limit.checked_div(LOOKS).unwrap_or(limit)).await;
        conversation.look();
    }
}
