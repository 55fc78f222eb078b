//! A network between gateways and their store that can fall silent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time;

/// What it does with what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Hands it on.
    Open,
    /// Takes connections and bytes, and hands nothing on.
    Silent,
    /// Hands it on after so long.
    Slow(Duration),
}

/// A relay that ends with this.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    line: watch::Sender<Line>,
    task: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (line, seen) = watch::channel(Line::Open);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(connect(client, port, seen.clone()));
            }
        });
        Self { address, line, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub(crate) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connect(client: TcpStream, port: u16, line: watch::Receiver<Line>) {
    let mut seen = line.clone();
    // Whoever connects to a network that is cut waits.
    if seen.wait_for(|line| *line != Line::Silent).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let line = Arc::new(line);
    tokio::select! {
        () = copy(from_client, to_server, &line) => {}
        () = copy(from_server, to_client, &line) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, line: &watch::Receiver<Line>) {
    let mut line = line.clone();
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        let state = match line.wait_for(|line| *line != Line::Silent).await {
            Ok(state) => *state,
            Err(_) => return,
        };
        if let Line::Slow(delay) = state {
            time::sleep(delay).await;
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
