//! `maskgate run` as a process of its own, and what the system knows of it.

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Child;
use std::process::ChildStderr;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;

use crate::support::Connection;
use crate::support::request;
use crate::support::within;

/// Lines of the log that are kept.
const KEPT_LINES: usize = 10_000;
/// What the kernel counts CPU time in.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running gateway; killed, and its file removed, when it is dropped.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    child: Child,
    file: PathBuf,
    log: Arc<Mutex<Vec<String>>>,
}

impl Gateway {
    /// In front of `upstream`, with `yaml` added to the configuration, which says nothing but
    /// where to listen, what the upstream is and that there are two workers.
    pub(crate) fn start(yaml: &str, upstream: SocketAddr) -> Self {
        Self::with_descriptors("$(ulimit -H -n)", yaml, upstream)
    }

    /// With so many file descriptors.
    pub(crate) fn with_descriptors(limit: &str, yaml: &str, upstream: SocketAddr) -> Self {
        Self::after(&format!("ulimit -n {limit}"), yaml, upstream)
    }

    /// In the surroundings that a shell's command makes.
    pub(crate) fn after(command: &str, yaml: &str, upstream: SocketAddr) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("maskgate-faults-{}-{number}.yaml", std::process::id());
        let file = std::env::temp_dir().join(name);
        fs::write(&file, configuration(yaml, upstream)).unwrap();
        let mut child = Command::new("sh")
            .args(["-c", &format!("{command} && exec \"$@\""), "sh"])
            .args([env!("CARGO_BIN_EXE_maskgate"), "run", "--config"])
            .arg(&file)
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::default();
        let (address, admin) = listen_to(child.stderr.take().unwrap(), &log);
        Self { address, admin, child, file, log }
    }

    /// Replaces the file in one step, as an operator's tools do.
    pub(crate) fn rewrite(&self, text: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let mut status = None;
        within(limit, "the gateway's end", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }

    /// Lines of its log that have this word.
    pub(crate) fn lines_with(&self, word: &str) -> Vec<String> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|line| line.contains(word)).cloned().collect()
    }

    /// It has said nothing of a panic.
    pub(crate) fn assert_no_panic(&self) {
        assert_eq!(self.lines_with("panic"), [""; 0]);
    }

    /// A page of the admin listener.
    pub(crate) async fn page(&self, path: &str) -> (u16, String) {
        let mut connection = Connection::open(self.admin).await.unwrap();
        let answer = connection.ask(&request::page(path)).await.unwrap();
        (answer.status, String::from_utf8(answer.body).unwrap())
    }

    /// The value of one series.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let (_, text) = self.page("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no series {series} in\n{text}")).parse().unwrap()
    }

    /// Waits until a series has this value.
    pub(crate) async fn reaches(
        &self,
        series: &str,
        expected: f64,
        limit: Duration,
    ) -> Duration {
        let what = format!("{series} is {expected}");
        within(limit, &what, async || {
            (self.metric(series).await - expected).abs() < f64::EPSILON
        })
        .await
    }

    /// Memory that is resident, in kB.
    pub(crate) fn resident(&self) -> f64 {
        let text = fs::read_to_string(self.proc("smaps_rollup")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
        line.trim_end_matches("kB").trim().parse().unwrap()
    }

    /// CPU time that it has used, in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let text = fs::read_to_string(self.proc("stat")).unwrap();
        let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = |index: usize| fields[index].parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / TICKS_PER_SECOND
    }

    /// Those that it keeps while nobody asks for anything, counted once it has answered: its word
    /// that it serves does not wait for a worker to have the listening socket on its reactor. The
    /// connection that asked may still be among them.
    pub(crate) async fn descriptors_at_work(&self) -> usize {
        let mut connection = Connection::open(self.address).await.unwrap();
        assert_eq!(connection.ask(&request::page("/none")).await.unwrap().status, 404);
        drop(connection);
        self.descriptors()
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd")).unwrap().count()
    }

    /// Without those of the allocator, which come with the first allocations of other threads.
    pub(crate) fn threads(&self) -> usize {
        let tasks = fs::read_dir(self.proc("task")).unwrap();
        let names = tasks.filter_map(|task| {
            // One may end between being listed and being read.
            fs::read_to_string(task.unwrap().path().join("comm")).ok()
        });
        names.filter(|name| !name.starts_with("jemalloc")).count()
    }

    fn proc(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.child.id())
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_file(&self.file));
    }
}

/// What [`Gateway::start`] writes to the file.
pub(crate) fn configuration(yaml: &str, upstream: SocketAddr) -> String {
    let listen =
        if yaml.contains("listen:") { "" } else { "listen: { address: '127.0.0.1:0' }\n" };
    let its = if yaml.contains("upstream:") {
        String::new()
    } else {
        format!("upstream: {{ url: 'http://{upstream}' }}\n")
    };
    format!("{listen}admin: {{ address: '127.0.0.1:0' }}\nworkers: 2\n{its}{yaml}")
}

/// Keeps its log, and answers with what it says of where it listens.
fn listen_to(stderr: ChildStderr, log: &Arc<Mutex<Vec<String>>>) -> (SocketAddr, SocketAddr) {
    let (tell, told) = mpsc::channel();
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if let Some(addresses) = addresses(&line) {
                let _told = tell.send(addresses);
            }
            let mut log = log.lock().unwrap();
            if log.len() < KEPT_LINES || line.contains("panic") {
                log.push(line);
            }
        }
    });
    told.recv_timeout(Duration::from_secs(20)).expect("the gateway has not started")
}

fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let address = |name: &str| line.get(name)?.as_str()?.parse().ok();
    Some((address("address")?, address("admin")?))
}
