//! A gateway in this process, on free ports, with a clock that stands until it is turned.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use maskgate::config::Flags;
use maskgate::config::Sources;
use maskgate::config::Watch;
use maskgate::observe::events::EventLog;
use maskgate::observe::metrics::ReloadResult;
use maskgate::observe::request_log::LogSink;
use maskgate::reload::ReloadRequest;
use maskgate::server::Parts;
use maskgate::server::Server;
use maskgate::systemd::ServiceManager;
use maskgate::systemd::Sockets;
use maskgate::time::Clock;
use tokio::runtime;
use tokio::sync::oneshot;

use crate::support::Reply;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::client;
use crate::support::client::Connection;

/// What is added to the sections of the listeners.
struct Listeners<'a> {
    listen: &'a str,
    admin: &'a str,
}

/// A running gateway; stopped, and its files removed, when it is dropped.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) clock: Clock,
    /// Lines of the request log.
    pub(crate) lines: Receiver<String>,
    directory: PathBuf,
    head: String,
    reload: ReloadRequest,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    /// The API's own limits in front of `upstream`.
    pub(crate) async fn start(upstream: &Upstream) -> Self {
        Self::with("", upstream).await
    }

    /// With `yaml` added to the configuration, which already says where to listen and what the
    /// upstream's address is.
    pub(crate) async fn with(yaml: &str, upstream: &Upstream) -> Self {
        Self::toward(&format!("url: {}", upstream.url()), yaml, Clock::manual()).await
    }

    /// With every part of `upstream:` given.
    pub(crate) async fn toward(upstream: &str, yaml: &str, clock: Clock) -> Self {
        Self::between(&Listeners { listen: "", admin: "" }, upstream, yaml, clock).await
    }

    /// With `listen` added to `listen:`, such as `tls: {…}`.
    pub(crate) async fn listening(listen: &str, upstream: &Upstream) -> Self {
        let upstream = format!("url: {}", upstream.url());
        let listeners = Listeners { listen: &format!(", {listen}"), admin: "" };
        Self::between(&listeners, &upstream, "", Clock::manual()).await
    }

    /// With `admin` added to `admin:`, such as `allow_reset: true`.
    pub(crate) async fn administered(
        admin: &str,
        upstream: &Upstream,
        yaml: &str,
        clock: Clock,
    ) -> Self {
        let upstream = format!("url: {}", upstream.url());
        let listeners = Listeners { listen: "", admin: &format!(", {admin}") };
        Self::between(&listeners, &upstream, yaml, clock).await
    }

    async fn between(
        listeners: &Listeners<'_>,
        upstream: &str,
        yaml: &str,
        clock: Clock,
    ) -> Self {
        let Listeners { listen, admin } = listeners;
        // Most tests need not see it stop slowly.
        let linger = if yaml.contains("linger:") { "" } else { "linger: 0s\n" };
        // The process has one log of events: that of the test that wants every one of them.
        let installs = yaml.contains("level: trace");
        let head = format!(
            "listen: {{ address: '127.0.0.1:0'{listen} }}\nadmin: {{ address: '127.0.0.1:0'{admin} }}\n\
             workers: 2\ndrain: 2s\n{linger}upstream: {{ {upstream} }}\n"
        );
        let directory = new_directory();
        fs::write(directory.join("maskgate.yaml"), format!("{head}{yaml}")).unwrap();
        let (tell, told) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let (file, its_clock) = (directory.join("maskgate.yaml"), clock.clone());
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let sources = Sources {
                    file: Some(file),
                    variables: Vec::new(),
                    flags: Flags::default(),
                };
                let mut watch = Watch::new(sources);
                let configuration = watch.force().unwrap();
                let (log, lines) = LogSink::new();
                let events = EventLog::default();
                if installs {
                    events.install(&log);
                }
                let parts = Parts {
                    configuration,
                    clock: its_clock,
                    log,
                    events,
                    digest_key: [7; 16],
                    names_key: [7; 16],
                    control: None,
                    journal: None,
                    manager: ServiceManager::absent(),
                    sockets: Sockets::default(),
                };
                let server = Server::bind(parts).unwrap();
                let (reloader, reload) = server.reloader(watch).unwrap();
                let addresses = (server.address().unwrap(), server.admin_address().unwrap());
                drop(tell.send((addresses, reload, lines)));
                let shutdown = async { drop(stopped.await) };
                server.run(Some(reloader), shutdown, std::future::pending()).await.unwrap();
            });
        });
        let ((address, admin), reload, lines) = told.await.unwrap();
        let (stop, thread) = (Some(stop), Some(thread));
        Self { address, admin, clock, lines, directory, head, reload, stop, thread }
    }

    /// Turns the clock.
    pub(crate) fn advance(&self, span: Duration) {
        assert!(self.clock.advance(span));
    }

    pub(crate) async fn send(&self, request: &Request) -> Reply {
        Connection::open(self.address).await.send(request).await
    }

    /// Sends `request` `count` times and answers how many were not refused for their rate.
    pub(crate) async fn admitted(&self, request: &Request, count: usize) -> usize {
        let statuses = client::statuses(self.address, request, count).await;
        statuses.iter().filter(|status| **status != 429).count()
    }

    /// Replaces what was added to the configuration, and reloads.
    pub(crate) async fn reload(&self, yaml: &str) -> ReloadResult {
        self.rewrite(&format!("{}{yaml}", self.head));
        self.reload_as_it_is().await
    }

    /// Reloads whatever the file says.
    pub(crate) async fn reload_as_it_is(&self) -> ReloadResult {
        self.reload.reload().await.unwrap()
    }

    /// Replaces the whole file, without asking for a reload.
    pub(crate) fn rewrite(&self, text: &str) {
        // In one step: the gateway looks at it whenever it likes.
        let new = self.directory.join("maskgate.new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.directory.join("maskgate.yaml")).unwrap();
    }

    /// The part of the configuration that says where to listen.
    pub(crate) fn head(&self) -> &str {
        &self.head
    }

    pub(crate) fn directory(&self) -> &PathBuf {
        &self.directory
    }

    /// A page of the admin listener.
    pub(crate) async fn page(&self, path: &str) -> Reply {
        Connection::open(self.admin).await.send(&Request::get(path)).await
    }

    /// The answer to a POST without a body to the admin listener.
    pub(crate) async fn post(&self, path: &str) -> Reply {
        Connection::open(self.admin).await.send(&Request::post(path, "")).await
    }

    /// The value of one series, such as `maskgate_connections`.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = String::from_utf8(self.page("/metrics").await.body.to_vec()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no series {series} in\n{text}")).parse().unwrap()
    }

    /// One series has this value.
    pub(crate) async fn assert_metric(&self, series: &str, expected: f64) {
        let found = self.metric(series).await;
        assert!((found - expected).abs() < f64::EPSILON, "{series} is {found}");
    }

    /// Waits until a series has this value: a client may see its end before it is counted.
    pub(crate) async fn reaches(&self, series: &str, expected: f64) {
        let reached = async {
            while (self.metric(series).await - expected).abs() > f64::EPSILON {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), reached).await;
        assert!(waited.is_ok(), "{series} never is {expected}");
    }

    /// The next line of the request log.
    pub(crate) fn line(&self) -> serde_json::Value {
        let buffer = self.lines.recv_timeout(Duration::from_secs(5)).unwrap();
        serde_json::from_str(buffer.lines().next().unwrap()).unwrap()
    }

    /// Asks the gateway to stop, as SIGTERM does.
    pub(crate) fn begin_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn join(&mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        drop(fs::remove_dir_all(&self.directory));
    }
}

fn new_directory() -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("maskgate-test-{}-{number}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    fs::create_dir_all(&directory).unwrap();
    directory
}
