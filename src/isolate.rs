//! A panic ends one request, not the thread that serves it.

use std::future;
use std::panic;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::Poll;

/// A future has panicked. What it said is not kept: it may quote a client's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gateway failed; the fault is in its log")]
pub struct Panicked;

/// What `work` comes to, unless it panics; pinned by the caller, so that it is not moved. It is not asked again after that, and whatever it
/// borrowed is as good as before: it holds no lock and no half-made change over an `await`.
pub async fn isolated<T>(mut work: Pin<&mut impl Future<Output = T>>) -> Result<T, Panicked> {
    future::poll_fn(|cx| {
        match panic::catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_payload) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}

/// Makes a panic an event with its place in the source, and nothing of its message.
pub fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(%place, "a panic: please report it");
    }));
}

#[cfg(test)]
mod tests {
    use super::Panicked;
    use super::isolated;
    use std::pin::pin;

    #[tokio::test]
    async fn a_panic_at_any_point_is_an_answer_and_the_others_go_on() {
        let late = async {
            tokio::task::yield_now().await;
            panic!("with a client's secret");
        };
        let calm = async {
            tokio::task::yield_now().await;
            1
        };
        let (mut late, mut calm) = (pin!(late), pin!(calm));
        let (late, calm) = tokio::join!(isolated(late.as_mut()), isolated(calm.as_mut()));
        assert_eq!((late, calm), (Err::<(), _>(Panicked), Ok(1)));
        assert_eq!(isolated(pin!(async { Vec::<u8>::new()[0] })).await, Err(Panicked));
    }
}
