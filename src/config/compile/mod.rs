//! Does it make sense? What was written becomes values that cannot be out of range.
//!
//! One function for each section. Each notes what is wrong and answers with a default in its
//! place, so that the others are still checked; a configuration with a note is never used.

mod field;
mod limits;
mod listen;
mod origin;
mod overrides;
mod pools;
mod range;
mod rate;
mod set_by;
mod store;
mod tls;
mod traces;
mod upstream;
mod url_file;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use crate::config::Configuration;
use crate::config::Resets;
use crate::config::Settings;
use crate::config::StateFile;
use crate::config::Warnings;
use crate::config::notes::At;
use crate::config::notes::Notes;
use crate::config::notes::Places;
use crate::config::path::KeyPath;
use crate::config::peel;
use crate::config::raw::Raw;
use crate::config::raw::RawAdmin;
use crate::config::raw::RawLog;
use crate::config::shape::Table;
use crate::config::shape::Truth;
use crate::config::word::AccountSid;
use crate::config::word::Word;
use crate::policy::Policy;
use crate::policy::log::LogPolicy;
use crate::sid::Sid;
use crate::sid::SidKind;
use range::Count;
use range::Span;

const MAX_CONNECTIONS: Count<'_> =
    Count { what: "a number of connections", from: 1, to: 1_000_000, otherwise: "for 10000" };
const WORKERS: Count<'_> =
    Count { what: "a number of workers", from: 1, to: 1_024, otherwise: "for one a core" };
const LINGER: Span<'_> = Span { what: "a linger", from: "0s", to: "1h", otherwise: "for 1s" };
const DRAIN: Span<'_> = Span { what: "a drain", from: "0s", to: "1h", otherwise: "for 25s" };

/// Compiles `raw`; answers nothing, or something with notes, where something is wrong. Files
/// named in it are relative to `directory`.
pub(crate) fn compile(
    raw: &Raw,
    directory: &Path,
    places: &Places<'_>,
    notes: &mut Notes,
) -> Option<Configuration> {
    let settings = settings(raw, directory, notes);
    let clients = listen::clients(&raw.listen, notes);
    let accounts = accounts(&raw.accounts, notes);
    let limits = limits::limits(&raw.limits, places, notes);
    let upstream = upstream::upstream(&raw.upstream, directory, notes);
    let policy = Policy {
        generation: 0,
        clients,
        upstream: upstream?,
        accounts,
        limits,
        log: log(&raw.log),
    };
    Some(Configuration { settings, policy, warnings: Warnings::default() })
}

fn settings(raw: &Raw, directory: &Path, notes: &mut Notes) -> Settings {
    let default = Settings::default();
    let max_connections = KeyPath::of("listen.max_connections");
    let max_connections =
        MAX_CONNECTIONS.take(raw.listen.max_connections, &max_connections, notes);
    let workers = WORKERS.take(raw.workers, &KeyPath::of("workers"), notes);
    let linger = LINGER.take(raw.linger, &KeyPath::of("linger"), notes);
    let drain = DRAIN.take(raw.drain, &KeyPath::of("drain"), notes);
    let settings = Settings {
        listen: raw.listen.address.map_or(default.listen, |Word(address)| address),
        max_connections: max_connections.map_or(default.max_connections, range::size),
        tls: listen::tls(raw.listen.tls.as_ref(), directory, notes),
        proxies: listen::proxies(raw.listen.proxy_protocol.as_ref(), notes),
        admin: raw.admin.address.map_or(default.admin, |Word(address)| address),
        resets: resets(&raw.admin),
        workers: workers.map_or(default.workers, range::size),
        drain: drain.unwrap_or(default.drain),
        linger: linger.unwrap_or(default.linger),
        state_file: state_file(raw.state_file.as_ref(), directory),
        store: store::store(&raw.store, directory, notes),
        traces: traces::traces(&raw.traces, directory, notes),
    };
    if !is_reachable_as_wanted(&raw.admin, settings.admin) {
        let message = format!("{} is open to other machines", settings.admin);
        let help = "write 127.0.0.1 for the host; or add `allow_remote: true` (or give \
                    --admin-allow-remote) and keep the port from clients";
        notes.complain(At::Value(KeyPath::of("admin.address")), message, help);
    }
    if overlap(settings.listen, settings.admin) {
        let path = match raw.admin.address {
            Some(_) => "admin.address",
            None => "listen.address",
        };
        let message = "the gateway and its admin listener would share this port";
        let help = "give `listen.address` and `admin.address` different ports";
        notes.complain(At::Value(KeyPath::of(path)), message, help);
    }
    settings
}

/// Where windows are kept over a restart; a name is relative to `directory`.
fn state_file(raw: Option<&Word<String>>, directory: &Path) -> StateFile {
    match raw {
        None => StateFile::OfManager,
        Some(Word(word)) if word == "off" => StateFile::Off,
        Some(Word(name)) => StateFile::At(directory.join(name)),
    }
}

/// Whether only this machine can connect there, unless others are wanted.
fn is_reachable_as_wanted(raw: &RawAdmin, address: SocketAddr) -> bool {
    let is_allowed = raw.allow_remote.is_some_and(|Truth(allowed)| allowed);
    is_allowed || address.ip().to_canonical().is_loopback()
}

/// Whether windows may be emptied by hand.
fn resets(raw: &RawAdmin) -> Resets {
    match raw.allow_reset {
        Some(Truth(true)) => Resets::Allowed,
        Some(Truth(false)) | None => Resets::Off,
    }
}

/// Whether two sockets cannot be bound to these addresses at once.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let same_host =
        one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && same_host
}

fn log(raw: &RawLog) -> LogPolicy {
    let default = LogPolicy::default();
    LogPolicy {
        level: raw.level.map_or(default.level, |Word(level)| level),
        format: raw.format.map_or(default.format, |Word(format)| format),
        access: raw.access.map_or(default.access, |Word(access)| access),
    }
}

fn accounts(raw: &Table<Option<Word<AccountSid>>>, notes: &mut Notes) -> HashMap<Sid, Sid> {
    let mut accounts = HashMap::new();
    let section = KeyPath::of("accounts");
    for (key, account) in &raw.0 {
        let path = section.key(key);
        let Some(api_key) = Sid::parse_as(SidKind::ApiKey, key) else {
            let message = format!("{} is not the SID of an API key", peel::quoted(key));
            let help = "write `SK` and 32 hexadecimal digits, nothing else";
            notes.complain(At::key(path), message, help);
            continue;
        };
        let Some(Word(AccountSid(account))) = *account else {
            let help = "write the SID of its account: `AC` and 32 hexadecimal digits";
            notes.complain(At::key(path), "this API key has no account", help);
            continue;
        };
        if accounts.insert(api_key, account).is_some() {
            let help = "keep one of them: upper and lower case are the same in a SID";
            notes.complain(At::key(path), "this API key is given twice", help);
        }
    }
    accounts
}
