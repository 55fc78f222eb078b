//! Which server has which windows?
//!
//! **Invariant:** a bucket is on one server at a time, as far as the servers say. Who is found at
//! another address is another server, whose answers are believed only after a span.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::Value;
use redis::cmd;
use tokio::sync::Notify;

use crate::policy::store::Servers;
use crate::policy::store::SharedStore;
use crate::policy::store::StoreAddress;
use crate::store::circuit::Circuit;
use crate::store::connection::Access;
use crate::store::connection::Connection;
use crate::store::fault::Fault;
use crate::store::key::BUCKETS;
use crate::store::key::Bucket;

/// A server that has some of the windows.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) address: StoreAddress,
    pub(super) circuit: Circuit,
    /// There is something to be told to it.
    pub(super) due: Notify,
    /// One bucket has lost its data, so others may have too.
    is_emptied: AtomicBool,
    /// It is being told something.
    is_being_told: AtomicBool,
    /// Why it did not answer the last time that it did not.
    fault: Mutex<Option<Fault>>,
}

impl Node {
    fn new(address: StoreAddress, deadline: Duration) -> Self {
        let fault = Mutex::new(None);
        let (circuit, due) = (Circuit::new(deadline), Notify::new());
        let [is_emptied, is_being_told] = [const { AtomicBool::new(false) }; 2];
        Self { address, circuit, due, is_emptied, is_being_told, fault }
    }

    /// A bucket has lost its data: whoever keeps it asks for the epochs of all. Otherwise each would
    /// be believed a span after it was next asked for, whenever that is.
    pub(super) fn has_lost_data(&self) {
        // Relaxed: the notification hands it over.
        self.is_emptied.store(true, Ordering::Relaxed);
        self.due.notify_one();
    }

    /// Whether that has happened since it was asked the last time.
    pub(super) fn take_emptied(&self) -> bool {
        self.is_emptied.swap(false, Ordering::Relaxed)
    }

    /// What is taken to be told to it is on its way from now on, or no more.
    pub(super) fn being_told(&self, is_being_told: bool) {
        // Relaxed: what is taken, is under a lock.
        self.is_being_told.store(is_being_told, Ordering::Relaxed);
    }

    /// Whether something is on its way to it.
    pub(super) fn is_being_told(&self) -> bool {
        self.is_being_told.load(Ordering::Relaxed)
    }

    /// It does not answer; tells whether it did until now.
    pub(super) fn lose(&self, fault: Fault) -> bool {
        self.note(fault);
        // Whoever keeps it probes it.
        self.due.notify_one();
        self.circuit.lose()
    }

    /// Remembers why it does not answer.
    pub(super) fn note(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where every bucket is.
#[derive(Debug, Default)]
pub(super) struct Layout {
    nodes: Vec<Arc<Node>>,
    /// The place of a bucket's server in `nodes`.
    places: Vec<Option<usize>>,
}

impl Layout {
    /// The servers at these addresses, each with its buckets; those that are known already stay who
    /// they are.
    pub(super) fn new(found: &Found, known: &Self, deadline: Duration) -> Self {
        let mut places = vec![None; BUCKETS];
        let node = |address: &StoreAddress| {
            let known = known.nodes.iter().find(|node| node.address == *address);
            known.map_or_else(|| Arc::new(Node::new(address.clone(), deadline)), Arc::clone)
        };
        for (place, (_, buckets)) in found.0.iter().enumerate() {
            for bucket in buckets {
                if let Some(of_bucket) = places.get_mut(bucket.index()) {
                    *of_bucket = Some(place);
                }
            }
        }
        Self { nodes: found.0.iter().map(|(address, _)| node(address)).collect(), places }
    }

    pub(super) fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    pub(super) fn node(&self, bucket: Bucket) -> Option<&Arc<Node>> {
        self.nodes.get((*self.places.get(bucket.index())?)?)
    }

    /// The buckets of a server.
    pub(super) fn buckets_of(&self, node: &Arc<Node>) -> Vec<Bucket> {
        Bucket::all().filter(|bucket| self.is_at(*bucket, node)).collect()
    }

    /// Whether a bucket is at this server.
    pub(super) fn is_at(&self, bucket: Bucket, node: &Arc<Node>) -> bool {
        self.node(bucket).is_some_and(|it| Arc::ptr_eq(it, node))
    }
}

/// Addresses, and the buckets that are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found(pub(super) Vec<(StoreAddress, Vec<Bucket>)>);

/// Finds the servers.
pub(super) async fn find(store: &SharedStore) -> Result<Found, Fault> {
    let tls = store.tls.as_ref();
    match &store.servers {
        Servers::One(address) => Ok(Found(vec![(address.clone(), Bucket::all().collect())])),
        Servers::Sentinels { addresses, master, credentials } => {
            let mut question = cmd("SENTINEL");
            question.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
            for address in addresses {
                let answer =
                    Connection::ask_once(address, Access { credentials, tls }, &question);
                if let Ok(answer) = answer.await
                    && let Some(primary) = primary(answer)
                {
                    return Ok(Found(vec![(primary, Bucket::all().collect())]));
                }
            }
            Err(Fault::NotFound)
        }
        Servers::Cluster(addresses) => {
            let mut question = cmd("CLUSTER");
            question.arg("SLOTS");
            let access = Access { credentials: &store.credentials, tls };
            for address in addresses {
                if let Ok(answer) = Connection::ask_once(address, access, &question).await
                    && let Some(found) = slots(answer, address)
                {
                    return Ok(found);
                }
            }
            Err(Fault::NotFound)
        }
    }
}

/// A sentinel's answer: host and port.
fn primary(answer: Value) -> Option<StoreAddress> {
    let (host, port): (String, u16) = redis::from_redis_value(answer).ok()?;
    Some(StoreAddress { host, port })
}

/// The answer to `CLUSTER SLOTS`: for each range of slots its first and its last, and the servers
/// that have it, the primary first, each with a host, a port and more. None where no bucket is
/// anywhere.
fn slots(answer: Value, asked: &StoreAddress) -> Option<Found> {
    let Value::Array(ranges) = answer else { return None };
    let mut found = Found::default();
    for range in ranges {
        let Value::Array(parts) = range else { continue };
        let [Value::Int(first), Value::Int(last), Value::Array(server), ..] = parts.as_slice()
        else {
            continue;
        };
        let [host, Value::Int(port), ..] = server.as_slice() else { continue };
        // Some have no name but the one that they are asked by.
        let host = if let Value::BulkString(host) = host
            && !host.is_empty()
        {
            String::from_utf8_lossy(host).into_owned()
        } else {
            asked.host.clone()
        };
        let Ok(port) = u16::try_from(*port) else { continue };
        let address = StoreAddress { host, port };
        let is_here = |bucket: &Bucket| (*first..=*last).contains(&bucket.slot().into());
        let buckets: Vec<_> = Bucket::all().filter(is_here).collect();
        match found.0.iter_mut().find(|(each, _)| *each == address) {
            Some((_, others)) => others.extend(buckets),
            None if buckets.is_empty() => {}
            None => found.0.push((address, buckets)),
        }
    }
    (!found.0.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::Found;
    use super::Layout;
    use super::slots;
    use crate::policy::store::StoreAddress;
    use crate::store::key::BUCKETS;
    use crate::store::key::Bucket;
    use redis::Value;
    use std::sync::Arc;
    use std::time::Duration;

    const DEADLINE: Duration = Duration::from_millis(5);

    fn address(host: &str, port: u16) -> StoreAddress {
        StoreAddress { host: host.to_owned(), port }
    }

    fn range(first: i64, last: i64, host: &str, port: i64) -> Value {
        let host = Value::BulkString(host.as_bytes().to_vec());
        let server = Value::Array(vec![host, Value::Int(port), Value::BulkString(vec![1])]);
        Value::Array(vec![Value::Int(first), Value::Int(last), server])
    }

    #[test]
    fn a_cluster_says_who_has_which_buckets() {
        let ranges =
            [range(0, 8000, "a", 1), range(8001, 16_000, "", 2), range(16_001, 16_383, "a", 1)];
        let found = slots(Value::Array(ranges.to_vec()), &address("asked", 9)).unwrap();
        let addresses: Vec<_> = found.0.iter().map(|(address, _)| address.clone()).collect();
        assert_eq!(addresses, [address("a", 1), address("asked", 2)]);
        let layout = Layout::new(&found, &Layout::default(), DEADLINE);
        let all: usize = layout.nodes().iter().map(|node| layout.buckets_of(node).len()).sum();
        assert_eq!(all, BUCKETS);
        for bucket in Bucket::all() {
            let port = if (8001..=16_000).contains(&bucket.slot()) { 2 } else { 1 };
            assert_eq!(layout.node(bucket).unwrap().address.port, port);
        }
    }

    #[test]
    fn a_server_that_stays_where_it_is_stays_who_it_is() {
        let found = |host: &str| Found(vec![(address(host, 1), Bucket::all().collect())]);
        let first = Layout::new(&found("a"), &Layout::default(), DEADLINE);
        let same = Layout::new(&found("a"), &first, DEADLINE);
        assert!(Arc::ptr_eq(&first.nodes()[0], &same.nodes()[0]));
        assert!(!Arc::ptr_eq(
            &first.nodes()[0],
            &Layout::new(&found("b"), &first, DEADLINE).nodes()[0]
        ));
    }

    #[test]
    fn an_answer_without_slots_finds_nobody() {
        assert_eq!(slots(Value::Array(Vec::new()), &address("a", 1)), None);
        assert_eq!(slots(Value::Nil, &address("a", 1)), None);
    }
}
