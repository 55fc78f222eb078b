//! Servers of the tests' own, and the library as they are asked for it.

pub(crate) mod call;
pub(crate) mod cluster;
pub(crate) mod library;
pub(crate) mod sentinel;
pub(crate) mod server;

use std::net::TcpListener;
use std::time::Duration;
use std::time::Instant;

/// One second in the unit of the script.
pub(crate) const SECOND: u64 = 1_000_000;
/// Nothing takes longer on a machine that is slow by a factor of ten.
pub(crate) const SLOW: Duration = Duration::from_mins(1);

/// A port of loopback that nobody listened on a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Asks until there is an answer.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < SLOW, "not within {SLOW:?}: {what}");
        pause(Duration::from_millis(20));
    }
}

/// Lets real time pass: for servers that have no other.
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
