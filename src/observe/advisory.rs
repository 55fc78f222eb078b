//! More participants use a number than is advised: one event, one count.

use crate::advise::Advisory;
use crate::observe::Observer;

impl Observer {
    /// Logs that more participants use a number than is advised, and counts the line.
    pub fn advise(&self, advisory: &Advisory) {
        let Advisory { service, number, participants, in_use, advised } = *advisory;
        tracing::warn!(
            %service,
            %number,
            participants,
            in_use,
            advised,
            "more participants use a number than is advised"
        );
        self.metrics.count_advisory();
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::io::Write;
    use std::num::NonZeroU32;
    use std::sync::Arc;
    use std::sync::Mutex;
    use std::time::Duration;

    use crate::advise::Advisory;
    use crate::observe::Observer;
    use crate::observe::metrics::Metrics;
    use crate::observe::metrics::Readings;
    use crate::observe::request_log::LogSink;
    use crate::observe::request_log::RequestLog;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use crate::time::Clock;

    /// What was logged.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_advisory_is_one_line_with_both_figures_and_one_count() {
        let observer = Observer {
            metrics: Arc::new(Metrics::new(Duration::ZERO).unwrap()),
            log: RequestLog::new(LogSink::new().0),
            clock: Clock::manual(),
            journal: None,
            tally: Arc::default(),
            tracer: None,
        };
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().json().flatten_event(true);
        let log = log.with_writer(move || writer.clone()).finish();
        let advisory = Advisory {
            service: Sid::new(SidKind::Service, [1; 16]),
            number: Sid::new(SidKind::PhoneNumber, [2; 16]),
            participants: 101,
            in_use: Some(57),
            advised: NonZeroU32::new(100).unwrap(),
        };
        tracing::subscriber::with_default(log, || {
            observer.advise(&advisory);
            observer.advise(&Advisory { in_use: None, ..advisory });
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["level"], "WARN");
        assert_eq!(lines[0]["service"], advisory.service.to_string());
        assert_eq!(lines[0]["number"], advisory.number.to_string());
        let figures = ["participants", "in_use", "advised"].map(|name| lines[0][name].as_u64());
        assert_eq!(figures, [Some(101), Some(57), Some(100)]);
        assert!(lines[1]["in_use"].is_null(), "the number has not spoken of itself");
        let metrics = observer.metrics.render(&Readings::default()).unwrap();
        assert!(metrics.contains("\nmaskgate_participant_advisories_total 2\n"), "{metrics}");
    }
}
