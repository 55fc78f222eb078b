//! One HTTP/1.1 message off a socket, read without mercy: what a lenient reader would repair is
//! a fault here.

use std::io::ErrorKind;
use std::io::Read;
use std::net::Shutdown;
use std::net::TcpStream;
use std::time::Duration;

/// How a connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By the other side, in order or by a reset.
    Closed,
    /// Nothing came for too long; the other side still holds it.
    TimedOut,
}

/// A connection that messages are read off.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    pub(crate) ended: Option<Ended>,
    /// What is done once when nothing comes: our half of the connection ends, and for so long is
    /// waited on.
    pub(crate) last_word: Option<Duration>,
    buffer: Vec<u8>,
}

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Answer,
    /// An answer to HEAD has the fields of a body and none (RFC 9110 §9.3.2).
    AnswerToHead,
}

/// What says where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(usize),
    Chunks,
    Close,
}

/// Name, in lower case, and value; bytes that are no ASCII stand for themselves, as in Latin-1.
pub(crate) type Fields = Vec<(String, String)>;

/// A message as far as it came.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) start: String,
    pub(crate) fields: Fields,
    pub(crate) body: Vec<u8>,
    pub(crate) framing: Framing,
    pub(crate) trailers: Fields,
    /// Whether it ended as its framing said.
    pub(crate) whole: bool,
    pub(crate) faults: Vec<String>,
}

impl Message {
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |field| field.0 == name).map(|field| field.1.as_str())
    }

    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.0 == name).map(|field| field.1.as_str())
    }

    /// The status of an answer; 0 where there is none.
    pub(crate) fn status(&self) -> u16 {
        let version = ["HTTP/1.1 ", "HTTP/1.0 "].iter().find(|v| self.start.starts_with(*v));
        let status =
            version.and_then(|version| self.start.get(version.len()..version.len() + 3));
        status.and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    fn fault(&mut self, fault: impl Into<String>) {
        self.faults.push(fault.into());
    }
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, ended: None, last_word: None, buffer: Vec::new() }
    }

    /// Whatever still comes until the other side closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.buffer)
    }

    /// The next message; none where nothing came.
    pub(crate) fn read(&mut self, kind: Kind) -> Option<Message> {
        let mut message = self.head()?;
        if message.whole {
            message.framing = framing(&mut message, kind);
            self.body(&mut message);
        }
        Some(message)
    }

    /// Takes what has come; false when nothing will come any more.
    fn more(&mut self) -> bool {
        if self.ended.is_some() {
            return false;
        }
        let mut piece = [0; 16384];
        match self.stream.read(&mut piece) {
            Ok(length) if length > 0 => self.buffer.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                match self.last_word.take() {
                    Some(patience) => self.say_last_word(patience),
                    None => self.ended = Some(Ended::TimedOut),
                }
            }
            Ok(_) | Err(_) => self.ended = Some(Ended::Closed),
        }
        self.ended.is_none()
    }

    fn say_last_word(&mut self, patience: Duration) {
        drop(self.stream.shutdown(Shutdown::Write));
        self.stream.set_read_timeout(Some(patience)).unwrap();
    }

    /// Up to the next LF, without its CRLF; none where the connection ends before it.
    fn line(&mut self, faults: &mut Vec<String>) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                if line.pop_if(|byte| *byte == b'\r').is_none() {
                    faults.push(format!("a line ends in a bare LF: {:?}", latin(&line)));
                }
                if let Some(byte) = line.iter().find(|&&byte| byte != b'\t' && byte < 0x20) {
                    faults.push(format!("byte {byte:#04x} in a line: {:?}", latin(&line)));
                }
                return Some(latin(&line));
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// So many bytes, or fewer where the connection ends before them; whether all came.
    pub(crate) fn exactly(&mut self, length: usize) -> (Vec<u8>, bool) {
        while self.buffer.len() < length && self.more() {}
        let there = length.min(self.buffer.len());
        (self.buffer.drain(..there).collect(), there == length)
    }

    fn head(&mut self) -> Option<Message> {
        let mut faults = Vec::new();
        let start = self.line(&mut faults);
        let mut message = Message {
            start: start.unwrap_or_else(|| latin(&std::mem::take(&mut self.buffer))),
            fields: Vec::new(),
            body: Vec::new(),
            framing: Framing::None,
            trailers: Vec::new(),
            whole: true,
            faults,
        };
        if message.start.is_empty() && self.ended.is_some() {
            return None;
        }
        let (fields, whole) = self.fields(&mut message.faults);
        (message.fields, message.whole) = (fields, whole);
        Some(message)
    }

    /// Fields up to the empty line, and whether it came.
    fn fields(&mut self, faults: &mut Vec<String>) -> (Fields, bool) {
        let mut fields = Fields::new();
        while let Some(line) = self.line(faults) {
            if line.is_empty() {
                return (fields, true);
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, "\0"));
            if name.is_empty() || !name.bytes().all(is_token) || value == "\0" {
                faults.push(format!("no field: {line:?}"));
            }
            fields
                .push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
        }
        (fields, false)
    }

    fn body(&mut self, message: &mut Message) {
        match message.framing {
            Framing::None => {}
            Framing::Length(length) => (message.body, message.whole) = self.exactly(length),
            Framing::Chunks => message.whole = self.chunks(message),
            Framing::Close => {
                message.body = self.rest();
                message.whole = self.ended == Some(Ended::Closed);
            }
        }
    }

    /// Reads chunks in their only canonical spelling.
    fn chunks(&mut self, message: &mut Message) -> bool {
        loop {
            let Some(line) = self.line(&mut message.faults) else { return false };
            let length = usize::from_str_radix(&line, 16).ok();
            let Some(length) =
                length.filter(|length| format!("{length:x}") == line.to_ascii_lowercase())
            else {
                message.fault(format!("no plain chunk size: {line:?}"));
                return false;
            };
            if length == 0 {
                let (trailers, whole) = self.fields(&mut message.faults);
                message.trailers = trailers;
                return whole;
            }
            let (data, whole) = self.exactly(length);
            message.body.extend_from_slice(&data);
            if !whole {
                return false;
            }
            match self.line(&mut message.faults) {
                Some(line) if line.is_empty() => {}
                Some(line) => message.fault(format!("{line:?} behind the data of a chunk")),
                None => return false,
            }
        }
    }
}

/// How the fields frame the body; two ways, or a way with two readings, are faults.
fn framing(message: &mut Message, kind: Kind) -> Framing {
    let lengths: Vec<_> = message.all("content-length").map(str::to_owned).collect();
    let codings: Vec<_> = message.all("transfer-encoding").map(str::to_owned).collect();
    let status = if kind == Kind::Request { 200 } else { message.status() };
    let framing = match (lengths.as_slice(), codings.as_slice()) {
        ([], []) if kind == Kind::Request => Framing::None,
        ([], []) => Framing::Close,
        ([length], []) if length.parse::<usize>().is_ok_and(|n| n.to_string() == *length) => {
            Framing::Length(length.parse().unwrap())
        }
        ([], [coding]) if coding == "chunked" => Framing::Chunks,
        _ => {
            message.fault(format!("framed by lengths {lengths:?} and codings {codings:?}"));
            Framing::None
        }
    };
    let bodiless = status < 200 || status == 204;
    if bodiless && !matches!(framing, Framing::Close) {
        message.fault(format!("{status} with {framing:?}"));
    }
    if bodiless || status == 304 || kind == Kind::AnswerToHead {
        Framing::None
    } else {
        framing
    }
}

pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

pub(crate) fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}
