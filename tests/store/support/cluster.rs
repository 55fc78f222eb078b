//! Three masters with a third of the slots each.

use super::server::Engine;
use super::server::Server;
use super::wait_for;

/// A Cluster of three.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Server>,
}

const SLOTS: u32 = 16_384;
const NODES: u32 = 3;

impl Cluster {
    /// Starts three nodes, tells them of each other, and waits until they agree.
    pub(crate) fn start(engine: Engine) -> Self {
        let nodes: Vec<_> = (0..NODES).map(|_| Self::node(engine, &[])).collect();
        for (number, node) in (0..).zip(&nodes) {
            let (from, to) = (SLOTS * number / NODES, SLOTS * (number + 1) / NODES - 1);
            let mut connection = node.connect();
            let add = ["ADDSLOTSRANGE", &from.to_string(), &to.to_string()];
            redis::cmd("CLUSTER").arg(&add).exec(&mut connection).unwrap();
        }
        let cluster = Self { nodes };
        cluster.nodes[1..].iter().for_each(|node| cluster.introduce(node));
        wait_for("the nodes agree", || cluster.is_whole().then_some(()));
        cluster
    }

    /// Makes a node known to the others.
    pub(crate) fn introduce(&self, node: &Server) {
        let port = self.nodes[0].port().to_string();
        let mut meet = redis::cmd("CLUSTER");
        meet.arg(&["MEET", "127.0.0.1", &port, &bus_port(&self.nodes[0])]);
        meet.exec(&mut node.connect()).unwrap();
    }

    /// A node that nobody knows yet, with arguments of its own beside those that all have.
    pub(crate) fn node(engine: Engine, arguments: &[&str]) -> Server {
        let bus = super::free_port().to_string();
        let common = [
            "--cluster-enabled",
            "yes",
            "--cluster-port",
            &bus,
            "--cluster-node-timeout",
            "2000",
        ];
        Server::with(engine, &[&common, arguments].concat())
    }

    fn is_whole(&self) -> bool {
        self.nodes.iter().all(|node| {
            let mut info = redis::cmd("CLUSTER");
            let info: String = info.arg("INFO").query(&mut node.connect()).unwrap();
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        })
    }

    /// Where the slot of a key is.
    pub(crate) fn node_of(&self, key: &str) -> &Server {
        &self.nodes[self.place_of(key)]
    }

    /// The same as its place among the nodes.
    pub(crate) fn place_of(&self, key: &str) -> usize {
        let mut slot = redis::cmd("CLUSTER");
        slot.arg("KEYSLOT").arg(key);
        let slot: u32 = slot.query(&mut self.nodes[0].connect()).unwrap();
        let place = (0..NODES).find(|number| slot < SLOTS * (number + 1) / NODES).unwrap();
        usize::try_from(place).unwrap()
    }
}

fn bus_port(node: &Server) -> String {
    let mut get = redis::cmd("CONFIG");
    get.arg("GET").arg("cluster-port");
    let [_, port]: [String; 2] = get.query(&mut node.connect()).unwrap();
    port
}
