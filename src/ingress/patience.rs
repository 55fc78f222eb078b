//! How long has a client taken? One timer a connection, set anew only when it must ring earlier.

use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use tokio::time;
use tokio::time::Instant;
use tokio::time::Sleep;

/// What is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing that the client has to do.
    #[default]
    Served,
    /// The next request, behind so many.
    Idle { behind: u64 },
    /// The rest of a head.
    Head,
}

/// The time that a client has left for what is waited for.
#[derive(Default)]
pub(super) struct Patience {
    phase: Phase,
    deadline: Option<Instant>,
    /// Rings at the deadline or before it.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Ready when `phase` has lasted for `limit`; never for what the client does not have to do.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        phase: Phase,
        limit: Duration,
    ) -> Poll<Phase> {
        if phase != self.phase {
            self.phase = phase;
            self.deadline = (phase != Phase::Served).then(|| time::sleep(limit).deadline());
        }
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(time::sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= deadline {
                return Poll::Ready(phase);
            }
            timer.as_mut().reset(deadline);
        }
    }
}
