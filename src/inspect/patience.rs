//! How long is waited for a client?

use std::future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// What `work` comes to, or nothing when it takes longer than `limit`. It is pinned by the caller, so
/// that it is not moved.
///
/// What is there at once needs no timer, and an early timer is not cheap: the runtime wakes itself
/// through the kernel to set it.
pub(super) async fn within<T>(
    limit: Duration,
    mut work: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    match future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
        Poll::Ready(done) => Some(done),
        Poll::Pending => tokio::time::timeout(limit, work).await.ok(),
    }
}
