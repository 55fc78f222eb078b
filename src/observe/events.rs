//! Events of the process itself: starts, reloads, failures. Written by `tracing`, in the form and
//! from the level that the policy in force asks for, on the same way as request lines: whoever
//! does not read the log holds up nobody.
//!
//! **Invariant:** only what this program says itself is written. Libraries speak to the same
//! subscriber, and one of HTTP/2 quotes a path that it takes for malformed.

use std::io;
use std::io::Write;
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;

use tracing::Metadata;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::DynFilterFn;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::observe::request_log::LogSink;
use crate::policy::log::LogFormat;
use crate::policy::log::LogLevel;
use crate::policy::log::LogPolicy;

/// What the subscriber looks at for every event; a reload changes it.
#[derive(Clone, Debug, Default)]
pub struct EventLog(Arc<Settings>);

#[derive(Debug, Default)]
struct Settings {
    /// Index into [`LEVELS`].
    level: AtomicU8,
    /// 1 for text.
    format: AtomicU8,
}

const LEVELS: [(LogLevel, LevelFilter); 5] = [
    (LogLevel::Error, LevelFilter::ERROR),
    (LogLevel::Warn, LevelFilter::WARN),
    (LogLevel::Info, LevelFilter::INFO),
    (LogLevel::Debug, LevelFilter::DEBUG),
    (LogLevel::Trace, LevelFilter::TRACE),
];

impl EventLog {
    /// Puts a policy's level and format in force.
    pub fn apply(&self, log: &LogPolicy) {
        let level = LEVELS.iter().position(|(level, _)| *level == log.level).unwrap_or(0);
        // Settings are read alone and order nothing else.
        self.0.level.store(u8::try_from(level).unwrap_or(0), Ordering::Relaxed);
        self.0.format.store(u8::from(log.format == LogFormat::Text), Ordering::Relaxed);
    }

    /// Makes this the process's log of events, which go to `sink` as long as somebody else holds
    /// it, and to standard error from then on. A second call in one process changes nothing.
    pub fn install(&self, sink: &Arc<LogSink>) {
        let sink = Arc::downgrade(sink);
        let writer = move || EventWriter(Weak::clone(&sink));
        let json = fmt::layer().json().flatten_event(true).with_current_span(false);
        let text = fmt::layer().with_ansi(false);
        let installed = tracing_subscriber::registry()
            .with(json.with_writer(writer.clone()).with_filter(self.filter(LogFormat::Json)))
            .with(text.with_writer(writer).with_filter(self.filter(LogFormat::Text)))
            .try_init();
        drop(installed);
    }

    fn filter<S>(
        &self,
        format: LogFormat,
    ) -> DynFilterFn<
        S,
        impl Fn(&Metadata<'_>, &tracing_subscriber::layer::Context<'_, S>) -> bool + use<S>,
    >
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let settings = Arc::clone(&self.0);
        dynamic_filter_fn(move |event: &Metadata<'_>, _| {
            let is_text = settings.format.load(Ordering::Relaxed) == 1;
            let level = usize::from(settings.level.load(Ordering::Relaxed));
            let level = LEVELS.get(level).map_or(LevelFilter::INFO, |(_, filter)| *filter);
            let is_wanted = is_text == (format == LogFormat::Text) && *event.level() <= level;
            is_wanted && is_own(event.target())
        })
    }
}

/// Whether an event with this target is the program's own, and not a library's.
fn is_own(target: &str) -> bool {
    target.split("::").next() == Some(env!("CARGO_PKG_NAME"))
}

/// Writes one event at a time, as the subscriber hands it over.
struct EventWriter(Weak<LogSink>);

impl Write for EventWriter {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        match self.0.upgrade() {
            Some(sink) => sink.send(String::from_utf8_lossy(event).into_owned()),
            // The server has ended, and with it whoever wrote for it.
            None => io::stderr().write_all(event)?,
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
