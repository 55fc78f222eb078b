//! How are clients treated? The section `listen`, but for its sockets.

use crate::config::compile::range::Span;
use crate::config::notes::Notes;
use crate::config::path::KeyPath;
use crate::config::raw::RawClientTimeouts;
use crate::config::raw::RawListen;
use crate::policy::clients::ClientTimeouts;
use crate::policy::clients::Clients;

const TIMEOUT: Span<'_> = Span { what: "a timeout", from: "1ms", to: "1h", otherwise: "" };

/// Compiles what a reload may change of the section `listen`.
pub(super) fn clients(raw: &RawListen, notes: &mut Notes) -> Clients {
    Clients { timeouts: timeouts(&raw.timeouts, notes) }
}

fn timeouts(raw: &RawClientTimeouts, notes: &mut Notes) -> ClientTimeouts {
    let section = KeyPath::of("listen.timeouts");
    let default = ClientTimeouts::default();
    let mut take = |found, key, otherwise, default| {
        let span = Span { otherwise, ..TIMEOUT };
        span.take(found, &section.key(key), notes).unwrap_or(default)
    };
    ClientTimeouts {
        handshake: take(raw.handshake, "handshake", "for 5s", default.handshake),
        header: take(raw.header, "header", "for 10s", default.header),
        idle: take(raw.idle, "idle", "for 60s", default.idle),
        body: take(raw.body, "body", "for 30s", default.body),
        body_gap: take(raw.body_gap, "body_gap", "for 5s", default.body_gap),
        write: take(raw.write, "write", "for 15s", default.write),
    }
}
