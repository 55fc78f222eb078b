//! A master, one replica of it, and a sentinel that makes the replica the master when it is gone.

use std::fs;
use std::fs::File;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use redis::Client;

use super::free_port;
use super::server::Engine;
use super::server::Server;
use super::server::fresh_directory;
use super::wait_for;

/// The name under which the sentinel knows the master.
pub(crate) const MASTER: &str = "maskgate";

/// All three of them.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) master: Server,
    pub(crate) replica: Server,
    pub(crate) sentinel: Sentinel,
}

impl Watched {
    /// Starts them, and waits until the replica has the master's data.
    pub(crate) fn start(engine: Engine) -> Self {
        let master = Server::start(engine);
        let of = format!("127.0.0.1 {}", master.port());
        let replica = Server::with(engine, &["--replicaof", &of]);
        wait_for("the replica follows", || is_following(&replica).then_some(()));
        let sentinel = Sentinel::start(engine, &master);
        let watched = Self { master, replica, sentinel };
        wait_for("the sentinel knows the replica", || {
            let replicas: Vec<redis::Value> = watched.sentinel.ask("REPLICAS");
            (!replicas.is_empty()).then_some(())
        });
        watched
    }
}

/// Whether it has all that its master had a moment ago.
pub(crate) fn is_following(replica: &Server) -> bool {
    let mut info = redis::cmd("INFO");
    let info: String = info.arg("replication").query(&mut replica.connect()).unwrap();
    info.contains("master_link_status:up")
}

/// The one who watches.
#[derive(Debug)]
pub(crate) struct Sentinel {
    port: u16,
    directory: PathBuf,
    child: Child,
}

impl Sentinel {
    fn start(engine: Engine, master: &Server) -> Self {
        let (port, directory) = (free_port(), fresh_directory());
        let file = directory.join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor {MASTER} 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds {MASTER} 1000\n\
             sentinel failover-timeout {MASTER} 5000\n",
            master.port()
        );
        fs::write(&file, text).unwrap();
        let output = File::create(directory.join("output")).unwrap();
        let child = Command::new(engine.program())
            .arg(&file)
            .arg("--sentinel")
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(output)
            .spawn()
            .unwrap();
        let sentinel = Self { port, directory, child };
        wait_for("the sentinel answers", || {
            sentinel.try_ask::<Vec<String>>("GET-MASTER-ADDR-BY-NAME")
        });
        sentinel
    }

    /// Asks about the master.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, what: &str) -> T {
        self.try_ask(what).unwrap()
    }

    fn try_ask<T: redis::FromRedisValue>(&self, what: &str) -> Option<T> {
        let client = Client::open(self.url()).unwrap();
        let mut connection = client.get_connection().ok()?;
        redis::cmd("SENTINEL").arg(what).arg(MASTER).query(&mut connection).ok()
    }

    /// The port of the master that there is now.
    pub(crate) fn master(&self) -> u16 {
        let [_, port]: [String; 2] = self.ask("GET-MASTER-ADDR-BY-NAME");
        port.parse().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.directory));
    }
}
