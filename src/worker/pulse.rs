//! Does a worker still run? Asked from another thread, answered by its own.

use tokio::sync::mpsc;
use tokio::sync::oneshot;

/// Asks a worker for a sign of life.
#[derive(Clone, Debug)]
pub struct Pulse(mpsc::UnboundedSender<oneshot::Sender<()>>);

/// Where the worker is asked.
#[derive(Debug)]
pub struct Asked(mpsc::UnboundedReceiver<oneshot::Sender<()>>);

impl Pulse {
    /// A pulse, and what the worker has to answer.
    pub fn new() -> (Self, Asked) {
        let (ask, asked) = mpsc::unbounded_channel();
        (Self(ask), Asked(asked))
    }

    /// Waits until the worker has answered or ended. For ever, where it hangs.
    pub async fn felt(&self) {
        let (answer, answered) = oneshot::channel();
        if self.0.send(answer).is_ok() {
            // An error says that the worker has ended meanwhile.
            drop(answered.await);
        }
    }
}

impl Asked {
    /// Answers for as long as anybody asks.
    pub async fn answer(mut self) {
        while let Some(answer) = self.0.recv().await {
            // Who asked may have gone.
            let _unheard = answer.send(());
        }
    }
}
