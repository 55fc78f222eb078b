//! When has been waited for long enough? One timer for many waits, set anew only when it must ring
//! earlier: most of what is waited for comes long before.

use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use tokio::time;
use tokio::time::Instant;
use tokio::time::Sleep;

/// A timer that many waits share, one at a time.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    /// Rings at the moment that was asked for last, or before it.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Ready when it is `deadline`.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
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
