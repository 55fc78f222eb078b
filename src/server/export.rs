//! Sends the spans of requests to a collector, where one is configured.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time;

use crate::observe;
use crate::observe::metrics::Metrics;
use crate::observe::traces::Tracer;
use crate::otlp;
use crate::policy::traces::Otlp;

/// For what still waits when the last worker has ended.
const LAST: Duration = Duration::from_secs(1);

/// The task that sends them, and what ends it.
pub(super) struct Export(Option<(JoinHandle<()>, oneshot::Sender<()>)>);

/// Begins to send what the tracer is offered; needs a runtime.
pub(super) fn begin(otlp: Option<&Otlp>, metrics: &Arc<Metrics>) -> (Option<Tracer>, Export) {
    let Some(otlp) = otlp.cloned() else { return (None, Export(None)) };
    let (spans, waiting) = otlp::queue(otlp.queue);
    let tracer = Tracer { spans, sample: otlp.sample };
    let metrics = Arc::clone(metrics);
    let tell = move |event| observe::traces::report(&metrics, event);
    let (end, ended) = oneshot::channel();
    let over = async { drop(ended.await) };
    let task = tokio::spawn(otlp::export(otlp, waiting, over, tell));
    (Some(tracer), Export(Some((task, end))))
}

impl Export {
    /// Ends it when all tracers have gone: a moment later, or as soon as it is `over`. What is not sent
    /// by then is lost, and counted.
    pub(super) async fn end(self, over: impl Future<Output = ()>) {
        let Some((mut task, end)) = self.0 else { return };
        tokio::select! {
            _ = &mut task => return,
            () = time::sleep(LAST) => {}
            () = over => {}
        }
        drop(end);
        drop(task.await);
    }
}
