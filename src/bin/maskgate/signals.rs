//! Signals that are not for this program but for the command that it runs.

use std::fs;
use std::fs::File;
use std::io;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::getpgrp;
use rustix::process::kill_process;
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::mpsc;

/// Signals that arrive; as long as this is there they do not end the program.
#[derive(Debug)]
pub(crate) struct Signals {
    arrived: mpsc::UnboundedReceiver<Signal>,
}

impl Signals {
    /// Listens from now on, but for what was ignored from the start: that is to be ignored by
    /// the command as well, as `nohup` wants it. Needs a runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        let (send, arrived) = mpsc::unbounded_channel();
        let ignored = ignored();
        for (kind, number) in [
            (SignalKind::terminate(), Signal::TERM),
            (SignalKind::interrupt(), Signal::INT),
            (SignalKind::quit(), Signal::QUIT),
            (SignalKind::hangup(), Signal::HUP),
            (SignalKind::user_defined1(), Signal::USR1),
            (SignalKind::user_defined2(), Signal::USR2),
        ] {
            if ignored & bit(number) != 0 {
                continue;
            }
            let (mut stream, send) = (signal(kind)?, send.clone());
            tokio::spawn(async move {
                while stream.recv().await.is_some() && send.send(number).is_ok() {}
            });
        }
        Ok(Self { arrived })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Signal {
        match self.arrived.recv().await {
            Some(signal) => signal,
            // Those who listen are gone only with the runtime.
            None => std::future::pending().await,
        }
    }
}

/// The signals that this program ignores, as bits; none where the system does not tell.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or_default()
}

fn bit(signal: Signal) -> u64 {
    let place = u32::try_from(signal.as_raw()).ok().and_then(|number| number.checked_sub(1));
    place.and_then(|place| 1_u64.checked_shl(place)).unwrap_or_default()
}

/// Sends a signal to a process, unless the terminal has done so already.
pub(crate) fn pass_on(signal: Signal, process: Option<u32>) {
    let of_keyboard = signal == Signal::INT || signal == Signal::QUIT;
    if of_keyboard && is_in_foreground() {
        return;
    }
    let process = process.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(process) = process {
        // A process that has just ended needs none.
        let _ended = kill_process(process, signal);
    }
}

/// Whether what is typed at a terminal reaches this program and the processes that it has
/// started alike: then a second Ctrl-C would be one too many for many a test runner.
fn is_in_foreground() -> bool {
    let Ok(terminal) = File::open("/dev/tty") else { return false };
    tcgetpgrp(&terminal).is_ok_and(|group| group == getpgrp())
}
