//! How long has a client taken over a head? One timer a connection, set anew only when it must ring
//! earlier.

use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use tokio::time;
use tokio::time::Instant;
use tokio::time::Sleep;

/// The time that a client has left for a head.
#[derive(Default)]
pub(super) struct Patience {
    /// The head that is waited for, by the number of those before it, and until when.
    awaited: Option<(u64, Instant)>,
    /// Rings at that moment or before it.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Ready when the head behind so many others has been waited for as long as `limit`.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        behind: u64,
        limit: Duration,
    ) -> Poll<()> {
        let deadline = match self.awaited {
            Some((awaited, deadline)) if awaited == behind => deadline,
            Some(_) | None => time::sleep(limit).deadline(),
        };
        self.awaited = Some((behind, deadline));
        let timer = self.timer.get_or_insert_with(|| Box::pin(time::sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}
