//! A client that reads answers itself, so that it knows a whole one from one that broke off.

use std::io;
use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const PIECE: usize = 16 * 1024;
const MAX_FIELDS: usize = 64;

/// One connection to the gateway.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// Read, but not looked at yet.
    held: Vec<u8>,
}

/// An answer, whole by its own framing.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Nothing follows on this connection.
    pub(crate) closes: bool,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The connection ended without a byte of it.
    Silent,
    /// It broke off.
    Midway,
}

enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }

    pub(crate) const fn over(stream: TcpStream) -> Self {
        Self { stream, held: Vec::new() }
    }

    /// Sends a request and reads its answer to the end.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer, Cut> {
        // What can not be written any more may have been answered before.
        drop(self.stream.write_all(request).await);
        self.answer().await
    }

    /// Writes bytes, as far as the other side takes them.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads one answer to its end.
    pub(crate) async fn answer(&mut self) -> Result<Answer, Cut> {
        let (mut answer, framing) = loop {
            if let Some(head) = self.head() {
                break head;
            }
            if !self.fill().await {
                return Err(if self.held.is_empty() { Cut::Silent } else { Cut::Midway });
            }
        };
        answer.body = match framing {
            Framing::Length(length) => self.take(length).await?,
            Framing::Chunked => self.chunks().await?,
            Framing::UntilClose => {
                while self.fill().await {}
                std::mem::take(&mut self.held)
            }
        };
        Ok(answer)
    }

    /// Waits until the other side closes, whatever comes until then.
    pub(crate) async fn closed(&mut self) {
        while self.fill().await {
            self.held.clear();
        }
    }

    /// The next head, if all of it is there.
    fn head(&mut self) -> Option<(Answer, Framing)> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut head = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(length) = head.parse(&self.held).unwrap() else {
            return None;
        };
        let field = |name: &str| {
            let field =
                head.headers.iter().find(|each| each.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(field.value).ok()
        };
        let framing = match (field("transfer-encoding"), field("content-length")) {
            (Some("chunked"), None) => Framing::Chunked,
            (None, Some(length)) => Framing::Length(length.parse().unwrap()),
            (None, None) => Framing::UntilClose,
            both => panic!("framed as {both:?}"),
        };
        let answer = Answer {
            status: head.code.unwrap(),
            closes: field("connection") == Some("close"),
            retry_after: field("retry-after").map(|seconds| seconds.parse().unwrap()),
            body: Vec::new(),
        };
        self.held.drain(..length);
        Some((answer, framing))
    }

    async fn chunks(&mut self) -> Result<Vec<u8>, Cut> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let length = usize::from_str_radix(&line, 16).unwrap();
            body.extend(self.take(length).await?);
            assert_eq!(self.line().await?, "", "what stands behind a chunk");
            if length == 0 {
                return Ok(body);
            }
        }
    }

    async fn line(&mut self) -> Result<String, Cut> {
        loop {
            if let Some(end) = self.held.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.held.drain(..end + 2).collect();
                return Ok(String::from_utf8(line[..end].to_vec()).unwrap());
            }
            if !self.fill().await {
                return Err(Cut::Midway);
            }
        }
    }

    async fn take(&mut self, length: usize) -> Result<Vec<u8>, Cut> {
        while self.held.len() < length {
            if !self.fill().await {
                return Err(Cut::Midway);
            }
        }
        Ok(self.held.drain(..length).collect())
    }

    /// Reads more; false at the end.
    async fn fill(&mut self) -> bool {
        self.held.reserve(PIECE);
        matches!(self.stream.read_buf(&mut self.held).await, Ok(length) if length > 0)
    }
}
