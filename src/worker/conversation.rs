//! How do the requests of one HTTP/2 connection stand? Several are under way at once, and the answer
//! to one may stand still while others go on.

use std::cell::Cell;
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::rc::Weak;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;
use tokio::time;
use tokio::time::Instant;

use crate::time::deadline;

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Conversation {
    /// Requests whose answers have not ended.
    under_way: Cell<u32>,
    /// Since when nothing is asked; none while something is.
    quiet_since: Cell<Option<Instant>>,
    answers: RefCell<Vec<Weak<Waiting>>>,
}

/// How often an answer has been looked at since its last piece was handed over; none while the
/// next piece is not there.
type Waiting = Cell<Option<u32>>;

impl Conversation {
    /// A connection without requests.
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            under_way: Cell::new(0),
            quiet_since: Cell::new(Some(now())),
            answers: RefCell::default(),
        })
    }

    /// Another request has begun.
    pub(super) fn begin(self: &Rc<Self>) -> Turn {
        let waiting = Rc::default();
        self.answers.borrow_mut().push(Rc::downgrade(&waiting));
        self.under_way.set(self.under_way.get().saturating_add(1));
        self.quiet_since.set(None);
        Turn { conversation: Rc::clone(self), waiting }
    }

    /// Whether a request is under way.
    pub(super) const fn is_busy(&self) -> bool {
        self.under_way.get() > 0
    }

    /// Waits until nothing has been asked for as long as `limit`.
    pub(super) async fn idle(&self, limit: Duration) {
        loop {
            let Some(since) = self.quiet_since.get() else {
                // When it ends it will have been quiet for less than this.
                time::sleep(limit).await;
                continue;
            };
            time::sleep_until(since.checked_add(limit).unwrap_or(since)).await;
            if self.quiet_since.get() == Some(since) {
                return;
            }
        }
    }

    /// Looks once more at the answers that are to be taken.
    pub(super) fn look(&self) {
        self.answers.borrow_mut().retain(|answer| {
            let Some(waiting) = answer.upgrade() else { return false };
            waiting.set(waiting.get().map(|looks| looks.saturating_add(1)));
            true
        });
    }

    /// Whether an answer stood still for so many looks.
    pub(super) fn has_waited(&self, looks: u32) -> bool {
        let answers = self.answers.borrow();
        let mut waiting =
            answers.iter().filter_map(Weak::upgrade).filter_map(|each| each.get());
        waiting.any(|waited| waited >= looks)
    }
}

/// One request and its answer; the turn ends when this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    conversation: Rc<Conversation>,
    waiting: Rc<Waiting>,
}

impl Turn {
    /// The body of the answer, with which the turn ends.
    pub(super) const fn with<B>(self, body: B) -> Watched<B> {
        Watched { body, turn: self }
    }

    /// A piece of the answer is to be taken by the client now, or is not there yet.
    fn handed_over(&self, is_there: bool) {
        self.waiting.set(is_there.then_some(0));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Conversation { under_way, quiet_since, .. } = &*self.conversation;
        under_way.set(under_way.get().saturating_sub(1));
        if under_way.get() == 0 {
            quiet_since.set(Some(now()));
        }
    }
}

/// The body of an answer, of which is known whether the client takes it.
#[derive(Debug)]
pub(super) struct Watched<B> {
    body: B,
    turn: Turn,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.turn.handed_over(frame.is_ready());
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn now() -> Instant {
    deadline(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::Conversation;

    #[tokio::test]
    async fn an_answer_waits_from_when_a_piece_is_there_until_the_next_is_asked_for() {
        let conversation = Conversation::new();
        let turn = conversation.begin();
        conversation.look();
        assert!(!conversation.has_waited(1), "the upstream has not answered");
        turn.handed_over(true);
        conversation.look();
        assert!(conversation.has_waited(1) && !conversation.has_waited(2));
        turn.handed_over(false);
        conversation.look();
        assert!(!conversation.has_waited(1), "the client waits");
        drop(turn);
        conversation.look();
        assert!(!conversation.is_busy() && conversation.answers.borrow().is_empty());
    }
}
