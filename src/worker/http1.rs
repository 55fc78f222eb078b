//! A client that speaks HTTP/1.1: one request after the other, each answered before the next is
//! looked at.

use std::cell::Cell;
use std::future;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use http::Response;
use http::request::Parts;

use crate::door::ClientTransport;
use crate::gateway::Arrived;
use crate::gateway::Client;
use crate::http1::Connection;
use crate::http1::NoRequest;
use crate::ingress::Head;
use crate::ingress::HeadFault;
use crate::respond::ReplyBody;
use crate::worker::Local;
use crate::worker::Stage;
use crate::worker::connection::ServeError;

/// Serves a connection until it ends, is idle for too long, or a request is one `too_late`. `begun`
/// is told when something has been asked.
pub(super) async fn serve(
    local: &Local,
    connection: &Connection<ClientTransport>,
    client: &Client,
    begun: &Cell<bool>,
    mut too_late: Pin<&mut impl Future<Output = ()>>,
) -> Result<(), ServeError> {
    loop {
        let next = future::poll_fn(|cx| {
            let next = connection.poll_next(cx);
            if next.is_pending() && too_late.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(NoRequest::Over));
            }
            next
        });
        let (head, judged) = match next.await {
            Ok(head) => (head.parts, Ok(())),
            Err(NoRequest::Refused(fault)) => (Head::of_none(), Err(fault)),
            Err(NoRequest::Over) => return Ok(connection.close().await?),
            Err(NoRequest::Io(error)) => return Err(error.into()),
        };
        begun.set(true);
        let answer = answer(local, connection, client, head, judged).await?;
        // An idle connection is not closed: a request may be on its way over it. Its client hears
        // of the end with the answer to the next.
        let is_last = *local.stage.borrow() >= Stage::Draining;
        if !connection.send(answer, is_last).await? {
            return Ok(connection.close().await?);
        }
    }
}

/// The answer to a request, unless its client leaves before it is there.
async fn answer(
    local: &Local,
    connection: &Connection<ClientTransport>,
    client: &Client,
    head: Box<Parts>,
    judged: Result<(), HeadFault>,
) -> io::Result<Response<ReplyBody>> {
    let request = Arrived { head, body: connection.body() };
    // Boxed, so that an idle connection does not hold what a request needs.
    let mut answering = Box::pin(local.gateway.handle(request, client, judged));
    future::poll_fn(|cx| match answering.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Ok(answer)),
        Poll::Pending => connection.poll_left(cx).map(Err),
    })
    .await
}
