//! What do a connection's bytes and its requests know of each other?

use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;
use std::rc::Weak;
use std::time::Duration;

use tokio::time;
use tokio::time::Instant;

use crate::ingress::HeadFault;

/// One client's connection, as its stream and its requests both see it.
#[derive(Debug)]
pub struct Conversation {
    /// Requests that the server has begun.
    begun: Cell<u64>,
    /// Requests whose answers have not ended.
    under_way: Cell<u32>,
    /// Since when nothing is asked; none while something is.
    quiet_since: Cell<Option<Instant>>,
    /// Which request is none, but stands for a head that was refused; and why.
    fault: Cell<Option<(u64, HeadFault)>>,
    /// Answers of HTTP/2, where one may stand still while others go on.
    answers: RefCell<Vec<Weak<Waiting>>>,
}

/// How often an answer has been looked at since its last piece was handed over; none while the
/// next piece is not there.
type Waiting = Cell<Option<u32>>;

impl Conversation {
    /// A connection without requests.
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            begun: Cell::new(0),
            under_way: Cell::new(0),
            quiet_since: Cell::new(Some(now())),
            fault: Cell::new(None),
            answers: RefCell::default(),
        })
    }

    /// The server has begun another request.
    pub fn begin(self: &Rc<Self>) -> Turn {
        let number = self.begun.get().saturating_add(1);
        let fault = self.fault.get().filter(|(at, _)| *at == number);
        self.turn(fault.map(|(_, fault)| fault), None)
    }

    /// The server has begun another request of HTTP/2, which may be refused for its head.
    pub fn begin_http2(self: &Rc<Self>, judged: Result<(), HeadFault>) -> Turn {
        let waiting = Rc::default();
        self.answers.borrow_mut().push(Rc::downgrade(&waiting));
        self.turn(judged.err(), Some(waiting))
    }

    fn turn(self: &Rc<Self>, fault: Option<HeadFault>, waiting: Option<Rc<Waiting>>) -> Turn {
        self.begun.set(self.begun().saturating_add(1));
        self.under_way.set(self.under_way.get().saturating_add(1));
        self.quiet_since.set(None);
        Turn { conversation: Rc::clone(self), fault, waiting }
    }

    /// How many requests the server has begun.
    pub fn begun(&self) -> u64 {
        self.begun.get()
    }

    /// Whether a request is under way.
    pub fn is_busy(&self) -> bool {
        self.under_way.get() > 0
    }

    /// Since when nothing is asked; none while something is, be it half of a head.
    pub fn quiet_since(&self) -> Option<Instant> {
        self.quiet_since.get()
    }

    /// A head has begun.
    pub(super) fn break_silence(&self) {
        self.quiet_since.set(None);
    }

    /// Looks once more at the answers that are to be taken.
    pub fn look(&self) {
        self.answers.borrow_mut().retain(|answer| {
            let Some(waiting) = answer.upgrade() else { return false };
            waiting.set(waiting.get().map(|looks| looks.saturating_add(1)));
            true
        });
    }

    /// Whether an answer stood still for so many looks.
    pub fn has_waited(&self, looks: u32) -> bool {
        let answers = self.answers.borrow();
        let mut waiting =
            answers.iter().filter_map(Weak::upgrade).filter_map(|each| each.get());
        waiting.any(|waited| waited >= looks)
    }

    /// Request `number`, counted from 1, is to be refused for this.
    pub(super) fn refuse(&self, number: u64, fault: HeadFault) {
        self.fault.set(Some((number, fault)));
    }
}

/// One request and its answer; the turn ends when this is dropped.
#[derive(Debug)]
pub struct Turn {
    conversation: Rc<Conversation>,
    /// The request only stands for a head that was refused for this.
    pub fault: Option<HeadFault>,
    waiting: Option<Rc<Waiting>>,
}

impl Turn {
    /// A piece of the answer is to be taken by the client now, or is not there yet.
    pub fn handed_over(&self, is_there: bool) {
        if let Some(waiting) = &self.waiting {
            waiting.set(is_there.then_some(0));
        }
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

/// The time of the runtime's timers, for one of them to be set by.
fn now() -> Instant {
    time::sleep(Duration::ZERO).deadline()
}

#[cfg(test)]
mod tests {
    use super::Conversation;

    #[tokio::test]
    async fn an_answer_waits_from_when_a_piece_is_there_until_the_next_is_asked_for() {
        let conversation = Conversation::new();
        let turn = conversation.begin_http2(Ok(()));
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
