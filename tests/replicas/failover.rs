//! Another server takes over, and does not know all that the one before knew.

use std::time::Duration;

use maskgate::sid::Sid;
use maskgate::sid::SidKind;
use maskgate::store::Bucket;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use tokio::time;

use crate::fleet::Fleet;
use crate::fleet::HASTY;
use crate::fleet::Kept;
use crate::fleet::store;
use crate::outside::LIMIT;
use crate::outside::Outside;
use crate::outside::SPAN;
use crate::servers::cluster::Cluster;
use crate::servers::sentinel::MASTER;
use crate::servers::sentinel::Watched;
use crate::servers::sentinel::is_following;
use crate::servers::server::Engine;
use crate::servers::server::Server;
use crate::servers::wait_for;
use crate::support::alone;

const RATE: u32 = 300;
const SERVICE: u8 = 1;

fn process_of(server: &Server) -> Pid {
    let mut info = redis::cmd("INFO");
    let info: String = info.arg("server").query(&mut server.connect()).unwrap();
    let id = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap();
    Pid::from_raw(id.trim().parse().unwrap()).unwrap()
}

/// What a load on all replicas alike sees while a server that lags behind takes over.
async fn under_load(fleet: &Fleet, fail_over: impl Future<Output = ()>, what: &str) {
    let outside = Outside::default();
    let load = fleet.offer(SERVICE.into(), RATE, Duration::from_secs(35), &outside);
    tokio::join!(load, async {
        time::sleep(SPAN + Duration::from_secs(1)).await;
        fail_over.await;
        println!("{what}: noticed in {:?}", fleet.notices().await);
        println!("{what}: recovered in {:?}", fleet.recovers().await);
    });
    fleet.assert_kept(&Kept { outside: &outside, losses: 1, most: LIMIT, what }).await;
    fleet.assert_whole(usize::from(SERVICE) + 1).await;
}

#[tokio::test]
#[ignore = "takes a minute: .ci/run replicas"]
async fn a_replica_that_lags_and_is_made_the_master_by_a_sentinel_admits_no_burst() {
    let _alone = alone().await;
    let mut watched = Watched::start(Engine::Redis);
    let found = format!("url: '{}', sentinel: {{ master: {MASTER} }}", watched.sentinel.url());
    let fleet = Fleet::alike(&store(&found, "local_share", HASTY)).await;
    let replica = process_of(&watched.replica);
    // It knows nothing of what is admitted from now on.
    kill_process(replica, Signal::STOP).unwrap();
    let fail_over = async {
        watched.master.kill();
        kill_process(replica, Signal::CONT).unwrap();
    };
    under_load(&fleet, fail_over, "Sentinel").await;
    assert_eq!(watched.sentinel.master(), watched.replica.port());
}

fn signal_all(processes: &[Pid], signal: Signal) {
    for process in processes {
        kill_process(*process, signal).unwrap();
    }
}

/// A replica of each node of a Cluster.
fn replicas_of(cluster: &Cluster) -> Vec<Server> {
    let start = |master: &Server| {
        let replica = Cluster::node(Engine::Redis, &["--cluster-replica-validity-factor", "0"]);
        cluster.introduce(&replica);
        let mut id = redis::cmd("CLUSTER");
        let id: String = id.arg("MYID").query(&mut master.connect()).unwrap();
        wait_for("the node knows its master", || {
            let mut replicate = redis::cmd("CLUSTER");
            replicate.arg("REPLICATE").arg(&id).exec(&mut replica.connect()).ok()
        });
        wait_for("the node follows", || is_following(&replica).then_some(()));
        replica
    };
    cluster.nodes.iter().map(start).collect()
}

#[tokio::test]
#[ignore = "takes a minute: .ci/run replicas"]
async fn a_replica_that_lags_and_takes_over_in_a_cluster_admits_no_burst() {
    let _alone = alone().await;
    let mut cluster = Cluster::start(Engine::Redis);
    let replicas = replicas_of(&cluster);
    let urls: Vec<_> = cluster.nodes.iter().map(|node| format!("'{}'", node.url())).collect();
    let found = format!("url: [{}], cluster: true", urls.join(", "));
    let fleet = Fleet::alike(&store(&found, "local_share", HASTY)).await;
    let service = Sid::new(SidKind::Service, u128::from(SERVICE).to_be_bytes());
    let place = cluster.place_of(&format!("{{mg{}}}", Bucket::of(service).index()));
    let lagging: Vec<_> = replicas.iter().map(process_of).collect();
    signal_all(&lagging, Signal::STOP);
    let fail_over = async {
        cluster.nodes[place].kill();
        signal_all(&lagging, Signal::CONT);
    };
    under_load(&fleet, fail_over, "Cluster").await;
}
