//! What is logged, and in which form.

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPolicy {
    /// Events below this level are left out.
    pub level: LogLevel,
    /// How a line is written.
    pub format: LogFormat,
    /// Which requests get a line.
    pub access: AccessLog,
}

impl Default for LogPolicy {
    fn default() -> Self {
        Self { level: LogLevel::Info, format: LogFormat::Json, access: AccessLog::Refused }
    }
}

/// The least important events that are still logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Only what needs an operator.
    Error,
    /// Also what may need one.
    Warn,
    /// Also starts, reloads and stops.
    Info,
    /// Also expected disconnects.
    Debug,
    /// Everything.
    Trace,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Words for a person at a terminal.
    Text,
}

/// Which requests get a log line of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// Every request.
    All,
    /// Those that were not forwarded, or whose upstream failed.
    Refused,
    /// None.
    Off,
}
