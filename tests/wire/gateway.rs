//! A gateway of one worker, so that every case of a lane meets the same upstream connections.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::thread::JoinHandle;

use maskgate::config::Flags;
use maskgate::config::Sources;
use maskgate::config::Watch;
use maskgate::observe::events::EventLog;
use maskgate::observe::request_log::LogSink;
use maskgate::server::Parts;
use maskgate::server::Server;
use maskgate::systemd::ServiceManager;
use maskgate::systemd::Sockets;
use maskgate::time::Clock;
use tokio::runtime;
use tokio::sync::oneshot;

/// A running gateway; stopped, and its file removed, when it is dropped.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    file: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    /// In front of `upstream`, with the API's own limits but for `UpdateService`, which one
    /// request exhausts, and with `limits`, such as `unmatched: reject`, added to them.
    pub(crate) fn start(limits: &str, upstream: SocketAddr) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let file = std::env::temp_dir()
            .join(format!("maskgate-wire-{}-{number}.yaml", std::process::id()));
        let yaml = format!(
            "listen: {{ address: '127.0.0.1:0' }}\nadmin: {{ address: '127.0.0.1:0' }}\n\
             workers: 1\ndrain: 1s\n\
             upstream: {{ url: 'http://{upstream}', timeouts: {{ response: 2s }} }}\n\
             limits:\n  {limits}\n  overrides:\n    \
             - match: {{ endpoint: UpdateService }}\n      \
               rate: {{ requests_per_second: 1, window: 1s, burst: 1 }}\n"
        );
        fs::write(&file, yaml).unwrap();
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let its_file = file.clone();
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = bind(its_file);
                tell.send(server.address().unwrap()).unwrap();
                let shutdown = async { drop(stopped.await) };
                server.run(None, shutdown, std::future::pending()).await.unwrap();
            });
        });
        let address = told.recv().unwrap();
        Self { address, file, stop: Some(stop), thread: Some(thread) }
    }
}

fn bind(file: PathBuf) -> Server {
    let sources = Sources { file: Some(file), variables: Vec::new(), flags: Flags::default() };
    let configuration = Watch::new(sources).force().unwrap();
    let (log, lines) = LogSink::new();
    drop(lines);
    let parts = Parts {
        configuration,
        clock: Clock::manual(),
        log,
        events: EventLog::default(),
        digest_key: [7; 16],
        names_key: [7; 16],
        control: None,
        journal: None,
        manager: ServiceManager::absent(),
        sockets: Sockets::default(),
    };
    Server::bind(parts).unwrap()
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        drop(fs::remove_file(&self.file));
    }
}
