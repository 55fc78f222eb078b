//! One line for each request that the policy wants one for.
//!
//! The line is written by hand into a buffer of the worker, and a whole buffer at a time goes to
//! the thread that writes: three times cheaper than an event of `tracing`, and a reader that
//! stalls never holds up a worker. What a full queue cannot take is dropped and counted.
//!
//! **Invariant:** nothing that a client wrote stands in a line as it came. A SID is printed from
//! its 16 bytes, a place in a trace from its numbers; the request id, which is taken over, is checked
//! against its alphabet before.

use std::cell::Cell;
use std::cell::RefCell;
use std::fmt;
use std::fmt::Write;
use std::mem;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time;

use crate::observe::timestamp::Timestamps;
use crate::policy::log::LogFormat;
use crate::policy::rate::SetBy;
use crate::sid::Sid;
use crate::trace_context::TraceContext;

/// How long a line may wait for others to be written with it.
const DELAY: Duration = Duration::from_millis(20);
/// A buffer of this many bytes is handed on at once.
const FULL: usize = 16 * 1024;
/// How many buffers may wait for the thread that writes.
const QUEUE: usize = 64;

/// Where the workers' buffers and the events of the process go.
#[derive(Debug)]
pub struct LogSink {
    sender: SyncSender<String>,
    dropped: AtomicU64,
}

impl LogSink {
    /// A sink, and the end from which somebody has to write what arrives.
    pub fn new() -> (Arc<Self>, Receiver<String>) {
        let (sender, receiver) = sync_channel(QUEUE);
        (Arc::new(Self { sender, dropped: AtomicU64::new(0) }), receiver)
    }

    /// Lines dropped since the start because nobody took them in time.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn send(&self, buffer: String) {
        if let Err(refused) = self.sender.try_send(buffer) {
            let (std::sync::mpsc::TrySendError::Full(lost)
            | std::sync::mpsc::TrySendError::Disconnected(lost)) = refused;
            let lines = u64::try_from(lost.lines().count()).unwrap_or(u64::MAX);
            self.dropped.fetch_add(lines, Ordering::Relaxed);
        }
    }
}

/// A worker's request log.
#[derive(Debug)]
pub struct RequestLog {
    sink: Arc<LogSink>,
    buffer: RefCell<String>,
    timestamps: RefCell<Timestamps>,
    /// Wakes the task that hands the buffer on.
    begun: Notify,
    closed: Cell<bool>,
}

/// A value in a line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field<'a> {
    /// A word of a closed list, or text that has been checked: it needs no escapes.
    Word(&'a str),
    /// Where a rule comes from: it may hold anything that is printed, such as the path of a file.
    SetBy(&'a SetBy),
    Sid(Sid),
    Trace(TraceContext),
    Address(IpAddr),
    Number(u64),
}

impl RequestLog {
    /// A log without lines.
    pub fn new(sink: Arc<LogSink>) -> Rc<Self> {
        Rc::new(Self {
            sink,
            buffer: RefCell::default(),
            timestamps: RefCell::default(),
            begun: Notify::new(),
            closed: Cell::new(false),
        })
    }

    /// Hands lines on, a little after the first of them was written. Runs as long as the worker.
    pub async fn hand_on(self: Rc<Self>) {
        while !self.closed.get() {
            self.begun.notified().await;
            time::sleep(DELAY).await;
            self.flush();
        }
    }

    /// Hands on what there is.
    pub fn flush(&self) {
        let buffer = mem::take(&mut *self.buffer.borrow_mut());
        if !buffer.is_empty() {
            self.sink.send(buffer);
        }
    }

    /// Writes one line: the time, then `fields` in their order.
    pub(super) fn write(&self, format: LogFormat, fields: &[(&'static str, Field<'_>)]) {
        let mut buffer = self.buffer.borrow_mut();
        let was_empty = buffer.is_empty();
        let mut timestamps = self.timestamps.borrow_mut();
        match format {
            LogFormat::Json => write_json(&mut buffer, timestamps.now(), fields),
            LogFormat::Text => write_text(&mut buffer, timestamps.now(), fields),
        }
        let is_full = buffer.len() >= FULL;
        drop(buffer);
        if is_full {
            self.flush();
        } else if was_empty {
            self.begun.notify_one();
        }
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        self.flush();
    }
}

fn write_json(line: &mut String, time: &str, fields: &[(&'static str, Field<'_>)]) {
    line.push_str("{\"timestamp\":\"");
    line.push_str(time);
    line.push_str("\",\"level\":\"INFO\",\"target\":\"request\"");
    for (name, field) in fields {
        line.push_str(",\"");
        line.push_str(name);
        line.push_str("\":");
        match field {
            Field::Number(number) => push_number(line, *number),
            // It may need escapes. Serialising a string cannot fail.
            Field::SetBy(rule) => {
                line.push_str(&serde_json::to_string(&rule.to_string()).unwrap_or_default());
            }
            Field::Word(_) | Field::Sid(_) | Field::Trace(_) | Field::Address(_) => {
                line.push('"');
                push_plain(line, field);
                line.push('"');
            }
        }
    }
    line.push_str("}\n");
}

fn write_text(line: &mut String, time: &str, fields: &[(&'static str, Field<'_>)]) {
    line.push_str(time);
    line.push_str("  INFO request:");
    for (name, field) in fields {
        line.push(' ');
        line.push_str(name);
        line.push('=');
        push_plain(line, field);
    }
    line.push('\n');
}

fn push_plain(line: &mut String, field: &Field<'_>) {
    match field {
        Field::Word(word) => line.push_str(word),
        Field::SetBy(rule) => push(line, rule),
        Field::Sid(sid) => push(line, sid),
        Field::Trace(context) => push(line, context),
        Field::Address(address) => push(line, address),
        Field::Number(number) => push_number(line, *number),
    }
}

fn push_number(line: &mut String, number: u64) {
    line.push_str(itoa::Buffer::new().format(number));
}

fn push(line: &mut String, what: &impl fmt::Display) {
    // Writing to a string cannot fail.
    let written = write!(line, "{what}");
    debug_assert!(written.is_ok(), "a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::Field;
    use super::LogSink;
    use super::QUEUE;
    use super::RequestLog;
    use crate::policy::log::LogFormat;
    use crate::policy::rate::SetBy;
    use std::sync::Arc;

    #[test]
    fn a_json_line_is_one_object_whatever_the_text() {
        let (sink, lines) = LogSink::new();
        let log = RequestLog::new(sink);
        let rule = SetBy::File { file: "odd \"name\"\n.yaml".into(), line: 3 };
        let fields = [
            ("decision", Field::Word("limited")),
            ("set_by", Field::SetBy(&rule)),
            ("status", Field::Number(429)),
        ];
        log.write(LogFormat::Json, &fields);
        drop(log);
        let line = lines.recv().unwrap();
        assert_eq!(line.lines().count(), 1);
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["set_by"], rule.to_string());
        assert_eq!(object["status"], 429);
        assert_eq!(object["decision"], "limited");
    }

    #[test]
    fn lines_that_nobody_takes_are_dropped_and_counted() {
        let (sink, lines) = LogSink::new();
        let log = RequestLog::new(Arc::clone(&sink));
        for _ in 0..QUEUE + 3 {
            log.write(LogFormat::Text, &[("status", Field::Number(429))]);
            log.flush();
        }
        assert_eq!(sink.dropped(), 3);
        assert_eq!(lines.try_iter().count(), QUEUE);
    }
}
