//! What do a connection's bytes and its requests know of each other?

use std::cell::Cell;
use std::rc::Rc;

use crate::ingress::HeadFault;

/// One client's connection, as its stream and its requests both see it.
#[derive(Debug, Default)]
pub struct Conversation {
    /// Requests that the server has begun.
    begun: Cell<u64>,
    /// Requests whose answers have not ended.
    under_way: Cell<u32>,
    /// Which request is none, but stands for a head that was refused; and why.
    fault: Cell<Option<(u64, HeadFault)>>,
}

impl Conversation {
    /// A connection without requests.
    pub fn new() -> Rc<Self> {
        Rc::default()
    }

    /// The server has begun another request.
    pub fn begin(self: &Rc<Self>) -> Turn {
        let number = self.begun.get().saturating_add(1);
        self.begun.set(number);
        self.under_way.set(self.under_way.get().saturating_add(1));
        let fault = self.fault.get().filter(|(at, _)| *at == number);
        Turn { conversation: Rc::clone(self), fault: fault.map(|(_, fault)| fault) }
    }

    /// Whether a request is under way.
    pub fn is_busy(&self) -> bool {
        self.under_way.get() > 0
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
}

impl Drop for Turn {
    fn drop(&mut self) {
        let under_way = &self.conversation.under_way;
        under_way.set(under_way.get().saturating_sub(1));
    }
}
