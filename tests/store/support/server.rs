//! One server: started on a free port of loopback, ended by its id.

use std::fs;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Instant;

use redis::Client;
use redis::Connection;

use super::SLOW;
use super::free_port;
use super::wait_for;

/// So many ports are tried: another process may take one between the question and the start.
const TRIES: u32 = 20;

/// Whose program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Redis,
    Valkey,
}

impl Engine {
    /// All that are installed: always Redis, and Valkey where the environment names it.
    pub(crate) fn installed() -> Vec<Self> {
        let valkey = std::env::var_os("VALKEY_SERVER").is_some();
        if !valkey {
            println!("VALKEY_SERVER is not set: without Valkey");
        }
        [Some(Self::Redis), valkey.then_some(Self::Valkey)].into_iter().flatten().collect()
    }

    pub(crate) fn program(self) -> PathBuf {
        match self {
            Self::Redis => "redis-server".into(),
            Self::Valkey => std::env::var_os("VALKEY_SERVER").unwrap().into(),
        }
    }
}

/// A server under way. Its data is gone when it ends: nothing is saved.
#[derive(Debug)]
pub(crate) struct Server {
    engine: Engine,
    port: u16,
    directory: PathBuf,
    arguments: Vec<String>,
    child: Child,
}

impl Server {
    /// A server alone.
    pub(crate) fn start(engine: Engine) -> Self {
        Self::with(engine, &[])
    }

    /// A server with arguments of its own, beside those that all have.
    pub(crate) fn with(engine: Engine, arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|&each| each.to_owned()).collect();
        for _ in 0..TRIES {
            let (port, directory) = (free_port(), fresh_directory());
            let child = launch(engine, port, &directory, &arguments);
            let mut server =
                Self { engine, port, directory, arguments: arguments.clone(), child };
            if server.is_up() {
                return server;
            }
        }
        panic!("no free port in {TRIES} tries")
    }

    /// Waits until it answers; false where it has ended instead.
    fn is_up(&mut self) -> bool {
        wait_for("the server answers", || {
            if self.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            let mut connection = self.try_connect()?;
            redis::cmd("PING").query::<String>(&mut connection).ok().map(|_| true)
        })
    }

    fn try_connect(&self) -> Option<Connection> {
        let client = Client::open(self.url()).unwrap();
        let connection = client.get_connection_with_timeout(SLOW).ok()?;
        connection.set_read_timeout(Some(SLOW)).unwrap();
        Some(connection)
    }

    /// A connection that waits for answers as long as a slow machine takes.
    pub(crate) fn connect(&self) -> Connection {
        self.try_connect().unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after [`kill`](Self::kill), on the same port, without any data.
    pub(crate) fn start_again(&mut self) {
        let begun = Instant::now();
        loop {
            self.child = launch(self.engine, self.port, &self.directory, &self.arguments);
            if self.is_up() {
                return;
            }
            assert!(begun.elapsed() < SLOW, "the port {} is not free again", self.port);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.directory));
    }
}

fn launch(engine: Engine, port: u16, directory: &Path, arguments: &[String]) -> Child {
    let output = File::create(directory.join("output")).unwrap();
    let common = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    Command::new(engine.program())
        .args(["--port", &port.to_string()])
        .args(common)
        .args(["--maxmemory-policy", "noeviction", "--dir"])
        .arg(directory)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap_or_else(|error| panic!("{engine:?} has to be installed (tests/run): {error}"))
}

/// A directory that no other server has.
pub(crate) fn fresh_directory() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("store-{}-{number}", std::process::id());
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&directory).unwrap();
    directory
}
