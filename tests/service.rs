//! The program as a service of systemd: what the manager hears, and sockets that it hands over.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::fs;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_maskgate");
/// No test waits longer for what has to come.
const PATIENCE: Duration = Duration::from_mins(1);

/// What systemd would be: it hears what the service says of itself.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn listening(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("maskgate-{}-{name}", std::process::id()));
        drop(fs::remove_file(&path));
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, path }
    }

    /// The next message, one state a line.
    fn heard(&self) -> String {
        let mut buffer = [0; 1024];
        let length = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// Waits for a message with this line.
    fn hears(&self, line: &str) -> String {
        loop {
            let heard = self.heard();
            if heard.lines().any(|each| each == line) {
                return heard;
            }
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path));
    }
}

/// A process of this test's, killed where the test has not ended it.
struct Process(Child);

impl Process {
    fn signal(&self, name: &str) {
        let process = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &process]).status().unwrap().success());
    }

    fn end(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.0.wait().unwrap().code(), log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A gateway in front of `upstream`, told of `manager`; it is handed `socket` as systemd hands one
/// over, but at another place (`LISTEN_FDS_FIRST_FD`), where std can put it.
fn gateway(manager: &Manager, upstream: &str, socket: Option<&TcpListener>) -> Command {
    let mut command = Command::new(BINARY);
    command
        .args(["run", "--upstream", upstream, "--admin", "127.0.0.1:0"])
        .env("NOTIFY_SOCKET", &manager.path)
        .env("MASKGATE_LIMITS__MODE", "off")
        .env_remove("LISTEN_PID")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    match socket {
        Some(socket) => command
            .env("LISTEN_FDS", "1")
            .env("LISTEN_FDS_FIRST_FD", "0")
            .stdin(OwnedFd::from(socket.try_clone().unwrap())),
        None => command.args(["--listen", "127.0.0.1:0"]).stdin(Stdio::null()),
    };
    command
}

fn start(mut command: Command) -> Process {
    Process(command.spawn().unwrap())
}

#[test]
fn the_manager_hears_that_it_is_ready_reloads_and_stops() {
    let manager = Manager::listening("notify");
    let running = start(gateway(&manager, "http://127.0.0.1:1", None));
    let ready = manager.heard();
    assert!(ready.starts_with("READY=1\nSTATUS=Serving at 127.0.0.1:"), "{ready}");
    running.signal("HUP");
    let reloading = manager.heard();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    let again = manager.heard();
    assert!(again.starts_with("READY=1\nSTATUS=Serving by the configuration"), "{again}");
    running.signal("TERM");
    assert_eq!(manager.heard(), "STOPPING=1\nSTATUS=Draining\n");
    let (status, log) = running.end();
    assert_eq!(status, Some(0), "{log}");
}

#[test]
fn a_refused_reload_is_ready_again_and_says_why() {
    let path = std::env::temp_dir().join(format!("maskgate-{}-svc.yaml", std::process::id()));
    fs::write(&path, "upstream: { url: 'http://127.0.0.1:1' }\n").unwrap();
    let manager = Manager::listening("refused");
    let mut command = gateway(&manager, "http://127.0.0.1:1", None);
    command.arg("--config").arg(&path);
    let running = start(command);
    manager.hears("READY=1");
    fs::write(&path, "upstream: { url: 'http://127.0.0.1:1' }\nworkers: 0\n").unwrap();
    running.signal("HUP");
    assert!(manager.heard().starts_with("RELOADING=1\n"));
    let again = manager.heard();
    assert!(again.contains("the new one has mistakes"), "{again}");
    fs::remove_file(path).unwrap();
}

#[test]
fn signs_of_life_are_given_again_and_again_where_they_are_asked_for() {
    let manager = Manager::listening("watchdog");
    let mut command = gateway(&manager, "http://127.0.0.1:1", None);
    command.env("WATCHDOG_USEC", "300000");
    let _running = start(command);
    for _ in 0..4 {
        manager.hears("WATCHDOG=1");
    }
}

/// What the gateway at `address` answers to a request of its own connection.
fn ask(address: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let credentials = "QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTpk";
    write!(
        stream,
        "GET /v1/Services HTTP/1.1\r\nhost: a\r\nauthorization: Basic {credentials}\r\n\
         connection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// An embedded backend, and its URL.
fn backend() -> (Process, String) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut command = Command::new(BINARY);
    command
        .args(["backend", "--listen", &address])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let running = start(command);
    while TcpStream::connect(&address).is_err() {}
    (running, format!("http://{address}"))
}

#[test]
fn a_restart_on_a_socket_that_was_handed_over_drops_no_connection() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let (_backend, upstream) = backend();
    let manager = Manager::listening("restart");
    let is_over = AtomicBool::new(false);
    let answers = thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut answers = Vec::new();
                    while !is_over.load(Ordering::Relaxed) {
                        answers.push(ask(&address));
                    }
                    answers
                })
            })
            .collect();
        for _ in 0..3 {
            let running = start(gateway(&manager, &upstream, Some(&socket)));
            manager.hears("READY=1");
            running.signal("TERM");
            let (status, log) = running.end();
            assert_eq!(status, Some(0), "{log}");
        }
        // The last ones are not left in the queue.
        let running = start(gateway(&manager, &upstream, Some(&socket)));
        manager.hears("READY=1");
        is_over.store(true, Ordering::Relaxed);
        let answers: Vec<_> =
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        running.signal("TERM");
        answers
    });
    assert!(answers.len() >= 8, "{} answers", answers.len());
    for answer in answers {
        let answer = answer.unwrap_or_else(|error| panic!("a connection was dropped: {error}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[test]
fn a_restart_gives_nobody_a_second_burst() {
    let state = std::env::temp_dir().join(format!("maskgate-{}-state", std::process::id()));
    fs::create_dir_all(&state).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let (_backend, upstream) = backend();
    let manager = Manager::listening("burst");
    // A window that is longer than the slowest machine takes.
    let start = || {
        let mut command = gateway(&manager, &upstream, Some(&socket));
        command
            .env("MASKGATE_LIMITS__MODE", "enforce")
            .env("MASKGATE_LIMITS__RATE", "{requests_per_second: 1, window: 5m, burst: 300}")
            .env("STATE_DIRECTORY", &state);
        let running = start(command);
        manager.hears("READY=1");
        running
    };
    let status = |answer: io::Result<String>| answer.unwrap()[9..12].to_owned();
    let running = start();
    let answers: Vec<_> = (0..301).map(|_| status(ask(&address))).collect();
    assert_eq!(answers.iter().filter(|answer| *answer == "200").count(), 300);
    running.signal("TERM");
    let (ended, log) = running.end();
    assert_eq!(ended, Some(0), "{log}");
    assert!(log.contains("the windows are kept for the next process"), "{log}");
    assert!(state.join("windows").exists());
    let running = start();
    assert!(!state.join("windows").exists(), "it is used once");
    assert_eq!(status(ask(&address)), "429");
    running.signal("TERM");
    let (_, log) = running.end();
    assert!(log.contains("going on with the windows of the process before"), "{log}");
    fs::write(state.join("windows"), "maskgate state 1\nand nonsense\n").unwrap();
    let _running = start();
    assert_eq!(status(ask(&address)), "200", "an unreadable file is none");
    fs::remove_dir_all(state).unwrap();
}

#[test]
fn an_admin_socket_that_others_reach_is_refused() {
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let manager = Manager::listening("open");
    let mut command = gateway(&manager, "http://127.0.0.1:1", Some(&socket));
    command.args(["--listen", "127.0.0.1:0"]).env("LISTEN_FDNAMES", "admin");
    let (status, log) = start(command).end();
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("is open to other machines"), "{log}");
}
