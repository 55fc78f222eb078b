//! A case of HTTP/2 as it stands in a file.

use std::collections::BTreeMap;

use crate::case::Lines;
use crate::case::Request;
use crate::case::blocks;
use crate::case::names_a_reason;
use crate::case::number;
use crate::case::request;
use crate::expand::Names;
use crate::http2::frames;
use crate::http2::frames::Frame;
use crate::message::latin;

/// Frames on one connection, and what may come of them.
#[derive(Debug, Default)]
pub(crate) struct Case {
    pub(crate) number: usize,
    pub(crate) name: String,
    pub(crate) place: String,
    pub(super) client: Vec<Step>,
    /// The client says neither the preface nor its settings by itself.
    pub(super) raw: bool,
    /// What becomes of each stream that is named.
    pub(super) streams: BTreeMap<u32, Vec<Outcome>>,
    /// The ids of the requests, by stream.
    pub(super) ids: BTreeMap<u32, String>,
    /// Whether the connection is ended with one of these errors, if any is named.
    pub(super) closed: Option<Vec<u32>>,
    pub(super) open: bool,
    pub(super) last_stream: u32,
    pub(crate) requests: Vec<Request>,
}

#[derive(Debug)]
pub(super) enum Step {
    Write(Vec<u8>),
    /// Until this stream has ended.
    Await(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Status(u16),
    /// By a 4xx, a reset, or the end of the connection.
    Refused,
    Reset(Option<u32>),
}

struct Reading {
    case: Case,
    names: Names,
    frame: Option<Frame>,
    has_reason: bool,
    upstream_sees_nothing: bool,
}

/// Every case of a file, numbered from `first` on. A mistake is told with its line.
pub(super) fn read(file: &str, text: &str, first: usize) -> Result<Vec<Case>, String> {
    let numbered = blocks(file, text)?.into_iter().enumerate();
    numbered.map(|(at, (place, lines))| Case::read(first + at, place, lines)).collect()
}

impl Case {
    fn read(number: usize, place: String, lines: Lines) -> Result<Self, String> {
        let file = format!("http2/{}", place.split(':').next().unwrap());
        let mut reading = Reading {
            case: Self { number, place, ..Self::default() },
            names: Names::new(number),
            frame: None,
            has_reason: false,
            upstream_sees_nothing: false,
        };
        for (at, line) in repeated(lines)? {
            reading.line(&line).map_err(|error| format!("{file}:{at}: {error}: {line}"))?;
        }
        let place = reading.case.place.clone();
        reading.finish().map_err(|error| format!("{place}: {error}"))
    }
}

/// Lines between `repeat N` and `done` stand N times.
fn repeated(lines: Lines) -> Result<Lines, String> {
    let mut all = Lines::new();
    let mut group: Option<(usize, Lines)> = None;
    for (at, line) in lines {
        if let Some(count) = line.strip_prefix("repeat ") {
            group = Some((number(count)?, Lines::new()));
        } else if line == "done" {
            let (count, lines) = group.take().ok_or("done without repeat")?;
            all.extend((0..count).flat_map(|_| lines.clone()));
        } else {
            group.as_mut().map_or(&mut all, |(_, lines)| lines).push((at, line));
        }
    }
    if group.is_some() { Err("repeat without done".to_owned()) } else { Ok(all) }
}

impl Reading {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.ends_with([' ', '\t']) {
            return Err("white space at the end".to_owned());
        }
        let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
        match key {
            "case" => rest.clone_into(&mut self.case.name),
            "why" => self.has_reason = names_a_reason(rest),
            "raw" if rest.is_empty() => self.case.raw = true,
            "bytes" | "field" | "name" | "get" | "post" | "padded" | "length" => {
                self.payload(key, rest)?;
            }
            "frame" => self.begin(rest)?,
            "request" => self.begin(&format!("HEADERS {rest} END_STREAM END_HEADERS"))?,
            "open" => self.begin(&format!("HEADERS {rest} END_HEADERS"))?,
            "await" => {
                self.end_frame();
                self.case.client.push(Step::Await(number(rest)?));
            }
            "stream" => {
                let (stream, outcomes) = rest.split_once(' ').ok_or("a stream and outcomes")?;
                let outcomes = outcomes.split('|').map(outcome).collect::<Result<_, _>>()?;
                self.case.streams.insert(number(stream)?, outcomes);
            }
            "connection" if rest == "open" => self.case.open = true,
            "connection" => {
                let errors = rest.strip_prefix("closed").ok_or("open or closed")?;
                let errors = errors.split('|').map(str::trim).filter(|error| !error.is_empty());
                self.case.closed = Some(errors.map(frames::error).collect::<Result<_, _>>()?);
            }
            "upstream" if rest == "nothing" => self.upstream_sees_nothing = true,
            "upstream" => self.case.requests.push(request(&mut self.names, rest)?),
            "has" | "lacks" | "body" => {
                let value = self.names.expand(rest)?;
                let request = self.case.requests.last_mut().ok_or("it belongs to nothing")?;
                request.details.put(key, value)?;
            }
            _ => return Err("unknown".to_owned()),
        }
        Ok(())
    }

    /// `TYPE STREAM FLAG…`; `+` is the next stream, `=` the last one again.
    fn begin(&mut self, text: &str) -> Result<(), String> {
        self.end_frame();
        let mut words = text.split(' ');
        let kind = frames::kind(words.next().unwrap_or_default())?;
        let last = self.case.last_stream;
        let stream = match words.next().ok_or("a stream is wanted")? {
            "+" => (last + 1) | 1,
            "=" => last,
            text => number(text)?,
        };
        // Only requests count: other frames may name streams that there will never be.
        if kind == 1 && stream % 2 == 1 && stream < u32::from(u16::MAX) {
            self.case.last_stream = last.max(stream);
        }
        let mut flags = 0;
        for word in words {
            flags |= frames::flag(word)?;
        }
        self.frame = Some(Frame { kind, flags, stream, ..Frame::default() });
        Ok(())
    }

    fn payload(&mut self, key: &str, rest: &str) -> Result<(), String> {
        let bytes = match key {
            "bytes" => self.names.expand(rest)?,
            "field" => self.field(rest)?,
            "name" => frames::field(&self.names.expand(rest)?, b"1"),
            "get" => self.fields("GET", rest)?,
            "post" => self.fields("POST", rest)?,
            _ => Vec::new(),
        };
        if key == "bytes" && self.frame.is_none() {
            self.case.client.push(Step::Write(bytes));
            return Ok(());
        }
        let frame = self.frame.as_mut().ok_or("it belongs to no frame")?;
        match key {
            "padded" => {
                let padding = number::<u8>(rest)?;
                frame.flags |= frames::PADDED;
                frame.payload.insert(0, padding);
                frame.payload.extend(vec![0; usize::from(padding)]);
            }
            "length" => frame.length = Some(number(rest)?),
            _ => frame.payload.extend(bytes),
        }
        Ok(())
    }

    /// `NAME: VALUE`; a name may begin with a colon.
    fn field(&mut self, text: &str) -> Result<Vec<u8>, String> {
        let bytes = self.names.expand(text)?;
        let text = latin(&bytes);
        let end =
            text.get(1..).and_then(|rest| rest.find(':')).ok_or("a field has a colon")? + 1;
        let value = &bytes[end + 1..];
        Ok(frames::field(&bytes[..end], value.strip_prefix(b" ").unwrap_or(value)))
    }

    /// The fields of a request: all, `without NAME`, or `with NAME: VALUE`.
    fn fields(&mut self, method: &str, change: &str) -> Result<Vec<u8>, String> {
        let stream = self.frame.as_ref().ok_or("it belongs to no frame")?.stream;
        let id = Names::id(self.case.number, self.case.ids.len() + 1);
        let method = format!(":method: {method}");
        let id_field = format!("x-request-id: {id}");
        self.case.ids.insert(stream, id);
        let mut fields: Vec<&str> = vec![
            &method,
            ":scheme: http",
            ":authority: gate",
            ":path: {sessions}",
            "authorization: {auth}",
            &id_field,
        ];
        if method.ends_with("POST") {
            fields.push("content-type: application/x-www-form-urlencoded");
        }
        let name = |field: &str| {
            field.get(1..).and_then(|rest| rest.split(':').next()).map(str::to_owned)
        };
        if let Some(removed) = change.strip_prefix("without ") {
            fields.retain(|field| name(field) != name(removed));
        } else if let Some(changed) = change.strip_prefix("with ") {
            for field in fields.iter_mut().filter(|field| name(field) == name(changed)) {
                *field = changed;
            }
        }
        let fields: Result<Vec<_>, _> =
            fields.into_iter().map(|field| self.field(field)).collect();
        Ok(fields?.concat())
    }

    fn end_frame(&mut self) {
        if let Some(frame) = self.frame.take() {
            match self.case.client.last_mut() {
                Some(Step::Write(bytes)) => bytes.extend(frame.encode()),
                _ => self.case.client.push(Step::Write(frame.encode())),
            }
        }
    }

    fn finish(mut self) -> Result<Case, String> {
        self.end_frame();
        if !self.has_reason {
            return Err("no reason: an RFC's section, an advisory or a promise".to_owned());
        }
        let case = self.case;
        if case.requests.is_empty() != self.upstream_sees_nothing {
            return Err("say what the upstream sees".to_owned());
        }
        if case.streams.is_empty() && case.closed.is_none() && !case.open {
            return Err("say what becomes of a stream or of the connection".to_owned());
        }
        Ok(case)
    }
}

/// `200`, `refused`, `reset`, `reset PROTOCOL_ERROR`.
fn outcome(text: &str) -> Result<Outcome, String> {
    Ok(match text.trim().split_once(' ') {
        None if text.trim() == "refused" => Outcome::Refused,
        None if text.trim() == "reset" => Outcome::Reset(None),
        None => Outcome::Status(number(text.trim())?),
        Some(("reset", error)) => Outcome::Reset(Some(frames::error(error)?)),
        Some(_) => return Err(format!("{text:?} is no outcome")),
    })
}
