//! A worker's own connections to the servers, over which its requests ask.
//!
//! **Invariant:** a request waits no longer than the deadline, and for a server that is lost not at
//! all. Nothing is asked twice: a question without an answer may have been charged.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use redis::Cmd;
use redis::RedisError;
use redis::Value;
use tokio::time;

use crate::store::Store;
use crate::store::answer;
use crate::store::answer::Said;
use crate::store::connection::Connection;
use crate::store::fault::Fault;
use crate::store::key::Bucket;
use crate::store::layout::Node;
use crate::store::library::Library;
use crate::store::library::Question;
use crate::store::pools::Receipt;
use crate::time::Clock;
use crate::time::Tick;

/// How often it is looked whether a connection has ended without being used.
const LOOK: Duration = Duration::from_millis(100);

/// One worker's.
#[derive(Debug)]
pub struct Links {
    store: Arc<Store>,
    clock: Clock,
    open: RefCell<Vec<Link>>,
}

#[derive(Debug)]
struct Link {
    node: Arc<Node>,
    connection: Connection,
}

impl Links {
    /// No connection yet; [`keep`](Self::keep) opens them.
    pub fn new(store: Arc<Store>, clock: Clock) -> Self {
        Self { store, clock, open: RefCell::default() }
    }

    /// What time it is.
    pub(super) fn now(&self) -> Tick {
        self.clock.now()
    }

    /// The store that they lead to.
    pub const fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Asks the store about a window. What it tells of its epoch is remembered.
    pub async fn ask(&self, question: &Question<'_>) -> Result<Said, Fault> {
        let bucket = question.key.bucket();
        let sent = self.clock.now();
        let value = self.call(bucket, |library| library.admit(question)).await?;
        let now = self.clock.now();
        let (heard, said) = answer::admit(value, sent, now)?;
        self.store.hear(bucket, heard, now);
        Ok(said)
    }

    /// Waits until the store knows what became of a change, no longer than the deadline.
    pub async fn heard(&self, receipt: Receipt) {
        drop(time::timeout(self.store.config.deadline, receipt.comes()).await);
    }

    /// Calls a function of the library on the server of a bucket.
    pub(super) async fn call(
        &self,
        bucket: Bucket,
        call: impl FnOnce(&Library) -> Cmd,
    ) -> Result<Value, Fault> {
        let layout = self.store.layout();
        let node = layout.node(bucket).ok_or(Fault::NotFound)?;
        if node.circuit.is_lost() {
            return Err(Fault::Unreachable);
        }
        let sent = self.clock.now();
        let Some(asked) = self.send(node, call) else { return Err(Fault::Unreachable) };
        let answered = asked.await;
        let now = self.clock.now();
        let value = answered.map_err(|error| {
            let fault = if Fault::is_no_function(&error) {
                Fault::NotPrimary // it has been emptied of its functions too
            } else {
                Fault::from(error)
            };
            if fault != Fault::Late || node.circuit.missed(sent, now) {
                self.lose(node, fault);
            }
            fault
        })?;
        node.circuit.answered();
        Ok(value)
    }

    /// The call on its way; none where there is no connection.
    fn send<C: FnOnce(&Library) -> Cmd>(
        &self,
        node: &Arc<Node>,
        call: C,
    ) -> Option<impl Future<Output = Result<Value, RedisError>> + use<C>> {
        let open = self.open.borrow();
        let link = open.iter().find(|link| Arc::ptr_eq(&link.node, node))?;
        let call = call(&link.connection.library);
        Some(link.connection.call(call, self.store.config.deadline))
    }

    fn lose(&self, node: &Arc<Node>, fault: Fault) {
        node.lose(fault);
        self.open.borrow_mut().retain(|link| !Arc::ptr_eq(&link.node, node));
    }

    /// Keeps a connection to every server that is not lost, for ever.
    pub async fn keep(self: Rc<Self>) {
        let mut changes = self.store.changes();
        loop {
            let layout = self.store.layout();
            self.open.borrow_mut().retain(|link| {
                !link.connection.has_ended()
                    && layout.nodes().iter().any(|node| Arc::ptr_eq(node, &link.node))
            });
            for node in layout.nodes().iter().filter(|node| !node.circuit.is_lost()) {
                self.open(node).await;
            }
            // An error means that there is no store any more: then nobody asks.
            drop(time::timeout(LOOK, changes.changed()).await);
        }
    }

    async fn open(&self, node: &Arc<Node>) {
        if self.open.borrow().iter().any(|link| Arc::ptr_eq(&link.node, node)) {
            return;
        }
        match Connection::open(&node.address, self.store.access()).await {
            Ok(connection) => {
                self.open.borrow_mut().push(Link { node: Arc::clone(node), connection });
            }
            Err(fault) => {
                node.lose(fault);
            }
        }
    }
}
