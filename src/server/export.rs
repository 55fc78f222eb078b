//! Sends the spans of requests to a collector, where one is configured.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time;

use crate::observe;
use crate::observe::metrics::Metrics;
use crate::observe::traces::Tracer;
use crate::otlp;
use crate::policy::traces::Otlp;

/// For what still waits when the last worker has ended.
const LAST: Duration = Duration::from_secs(1);

/// The task that sends them.
pub(super) struct Export(Option<JoinHandle<()>>);

/// Begins to send what the tracer is offered; needs a runtime.
pub(super) fn begin(otlp: Option<&Otlp>, metrics: &Arc<Metrics>) -> (Option<Tracer>, Export) {
    let Some(otlp) = otlp.cloned() else { return (None, Export(None)) };
    let (spans, waiting) = otlp::queue(otlp.queue);
    let tracer = Tracer { spans, sample: otlp.sample };
    let metrics = Arc::clone(metrics);
    let tell = move |event| observe::traces::report(&metrics, event);
    let task = tokio::spawn(otlp::export(otlp, waiting, tell));
    (Some(tracer), Export(Some(task)))
}

impl Export {
    /// Ends it, a moment after all tracers have gone. What is not sent by then is lost.
    pub(super) async fn end(self) {
        let Some(mut task) = self.0 else { return };
        if time::timeout(LAST, &mut task).await.is_err() {
            task.abort();
            drop(task.await);
        }
    }
}
