//! Where are windows shared? The section `store`.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

use crate::config::compile::origin;
use crate::config::compile::origin::BadUrl;
use crate::config::compile::origin::bad;
use crate::config::compile::range::Count;
use crate::config::compile::range::Span;
use crate::config::compile::tls::Authority;
use crate::config::notes::At;
use crate::config::notes::Notes;
use crate::config::path::KeyPath;
use crate::config::raw::RawRedis;
use crate::config::raw::RawStore;
use crate::config::shape::Truth;
use crate::config::word::Word;
use crate::policy::store::OnLoss;
use crate::policy::store::Servers;
use crate::policy::store::SharedStore;
use crate::policy::store::StoreAddress;
use crate::policy::store::StoreCredentials;
use crate::policy::store::StoreTls;

const REPLICAS: Count<'_> = Count {
    what: "a number of replicas",
    from: 1,
    to: 1_000,
    otherwise: "and `store` with it",
};
const DEADLINE: Span<'_> =
    Span { what: "a deadline", from: "1ms", to: "1s", otherwise: "for 5ms" };
/// The most servers that are named.
const MAX_SERVERS: usize = 64;
const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Compiles the section `store`; none where it is not given, or wrong.
pub(super) fn store(
    raw: &RawStore,
    directory: &Path,
    notes: &mut Notes,
) -> Option<SharedStore> {
    let raw = raw.redis.as_ref()?;
    let section = KeyPath::of("store.redis");
    let is_cluster = raw.cluster.is_some_and(|Truth(is_cluster)| is_cluster);
    if is_cluster && raw.sentinel.is_some() {
        let help = "keep one of `cluster` and `sentinel`: a Cluster needs no sentinels";
        notes.complain(At::key(section.key("sentinel")), "a Cluster has no sentinel", help);
    }
    let (addresses, is_tls) = addresses(raw, &section, notes);
    let replicas = replicas(raw, &section, notes);
    let deadline = DEADLINE.take(raw.deadline, &section.key("deadline"), notes);
    let given = (raw.username.as_ref(), raw.password_file.as_ref());
    let credentials = credentials(given, &section, directory, notes);
    let tls = if is_tls { tls(raw, &section, directory, notes) } else { None };
    if raw.tls.is_some() && !is_tls && !addresses.is_empty() {
        let help = "begin the URL with `rediss://`, or take `tls` out";
        notes.complain(At::key(section.key("tls")), "TLS is not spoken by this URL", help);
    }
    Some(SharedStore {
        servers: servers(raw, addresses, directory, notes)?,
        replicas: replicas?,
        on_loss: raw.on_loss.map_or(OnLoss::LocalShare, |Word(on_loss)| on_loss),
        deadline: deadline.unwrap_or(SharedStore::DEADLINE),
        credentials,
        tls,
    })
}

fn replicas(raw: &RawRedis, section: &KeyPath, notes: &mut Notes) -> Option<NonZeroU32> {
    let path = section.key("replicas");
    if raw.replicas.is_none() {
        let help = "add `replicas: N`, how many gateways share the limits: without the store \
                    each of them admits its share";
        notes.complain(At::Value(path.clone()), "the number of replicas is not given", help);
    }
    REPLICAS.take(raw.replicas, &path, notes)
}

fn servers(
    raw: &RawRedis,
    mut addresses: Vec<StoreAddress>,
    directory: &Path,
    notes: &mut Notes,
) -> Option<Servers> {
    if raw.cluster.is_some_and(|Truth(is_cluster)| is_cluster) {
        return (!addresses.is_empty()).then_some(Servers::Cluster(addresses));
    }
    let Some(sentinel) = &raw.sentinel else {
        if addresses.len() > 1 {
            let path = KeyPath::of("store.redis.url");
            let help = "name one, or add `cluster: true` or `sentinel: { master: NAME }`";
            notes.complain(
                At::Value(path),
                "several servers share no data by themselves",
                help,
            );
        }
        return addresses.pop().map(Servers::One);
    };
    let section = KeyPath::of("store.redis.sentinel");
    let given = (sentinel.username.as_ref(), sentinel.password_file.as_ref());
    let credentials = credentials(given, &section, directory, notes);
    let Some(Word(master)) = &sentinel.master else {
        let help = "add `master: NAME`, the name that the sentinels know the primary by";
        notes.complain(At::Value(section.key("master")), "no primary is named", help);
        return None;
    };
    let master = master.clone();
    (!addresses.is_empty()).then_some(Servers::Sentinels { addresses, master, credentials })
}

/// Who the gateway is; the file with the password must be readable, though it is read again for
/// each connection.
fn credentials(
    (username, password_file): (Option<&Word<String>>, Option<&Word<String>>),
    section: &KeyPath,
    directory: &Path,
    notes: &mut Notes,
) -> StoreCredentials {
    let password_file = password_file.map(|Word(file)| directory.join(file));
    let path = section.key("password_file");
    if let Some(file) = &password_file
        && let Err(error) = fs::read_to_string(file)
    {
        // What is wrong stands first: a name with `password` in it hides what follows it.
        let message = format!("{error}, reading {}", file.display());
        let help =
            "name a file that holds it alone, from the directory of the configuration file";
        notes.complain(At::Value(path.clone()), message, help);
    }
    if username.is_some() && password_file.is_none() {
        let help = "add the key `password_file`, or take `username` out";
        notes.complain(At::Value(path), "a user has no file with its word", help);
    }
    StoreCredentials { username: username.map(|Word(name)| name.clone()), password_file }
}

/// Where the servers are, and whether TLS is spoken with them.
fn addresses(
    raw: &RawRedis,
    section: &KeyPath,
    notes: &mut Notes,
) -> (Vec<StoreAddress>, bool) {
    let path = section.key("url");
    let urls = raw.url.as_ref().map(|url| url.texts(&path)).unwrap_or_default();
    if urls.is_empty() {
        let help = "add `url: redis://HOST:PORT`";
        notes.complain(At::Value(path), "no server is given", help);
        return (Vec::new(), false);
    }
    if urls.len() > MAX_SERVERS {
        let help = format!("name at most {MAX_SERVERS}: the others are found by them");
        notes.complain(At::Value(path), format!("{} servers are too many", urls.len()), help);
        return (Vec::new(), false);
    }
    let port = if raw.sentinel.is_some() { SENTINEL_PORT } else { REDIS_PORT };
    let mut found = Vec::new();
    for (path, url) in urls {
        match address(url.unwrap_or_default(), port) {
            Ok(address) => found.push(address),
            Err(bad) => notes.complain(At::Value(path), bad.message, bad.help),
        }
    }
    let is_tls = found.first().is_some_and(|(_, is_tls)| *is_tls);
    if found.iter().any(|(_, other)| *other != is_tls) {
        let help = "begin all of them with `redis://` or all of them with `rediss://`";
        notes.complain(
            At::Value(path),
            "some of these servers speak TLS and some do not",
            help,
        );
    }
    (found.into_iter().map(|(address, _)| address).collect(), is_tls)
}

/// Reads `redis://HOST:PORT` or `rediss://HOST:PORT`; the latter is TLS.
fn address(url: &str, port: u16) -> Result<(StoreAddress, bool), BadUrl> {
    // First of all, so that no other refusal quotes a secret.
    if url.contains('@') {
        let help = "take it out, up to and including the `@`, and give `username` and the file \
                    of its password";
        return bad("user information does not belong in this URL", help);
    }
    let (rest, is_tls) = match (url.strip_prefix("redis://"), url.strip_prefix("rediss://")) {
        (Some(rest), _) => (rest, false),
        (_, Some(rest)) => (rest, true),
        (None, None) => {
            let help = "begin with `redis://` or, for TLS, `rediss://`";
            return bad("the URL has no scheme that a store is spoken to by", help);
        }
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        let help = "write `redis://HOST:PORT`: windows are kept in database 0";
        return bad("only a host and a port are wanted in this URL", help);
    }
    let (host, port) = origin::place(authority, port)?;
    Ok((StoreAddress { host, port }, is_tls))
}

fn tls(
    raw: &RawRedis,
    section: &KeyPath,
    directory: &Path,
    notes: &mut Notes,
) -> Option<StoreTls> {
    let ca = raw.tls.as_ref().and_then(|tls| tls.ca.as_ref());
    let ca = ca.map(|Word(file)| directory.join(file));
    let at = At::Value(section.key("tls").key("ca"));
    let authority = Authority { whose: "the store's", file: ca.as_deref(), at };
    let client = authority.client(&[], notes)?;
    Some(StoreTls { ca, client })
}

#[cfg(test)]
mod tests {
    use super::address;

    fn read(url: &str) -> String {
        match address(url, 6379) {
            Ok((address, is_tls)) => format!("{address} {is_tls}"),
            Err(bad) => bad.message,
        }
    }

    #[test]
    fn a_store_is_a_scheme_a_host_and_a_port() {
        let cases = [
            ("redis://127.0.0.1", "127.0.0.1:6379 false"),
            ("redis://Redis.local:7000/", "redis.local:7000 false"),
            ("rediss://[::1]:6380", "[::1]:6380 true"),
            ("http://h", "the URL has no scheme that a store is spoken to by"),
            ("redis://u:p@h", "user information does not belong in this URL"),
            ("redis://h/1", "only a host and a port are wanted in this URL"),
            ("redis://h:0", "the port of the URL is not a port"),
        ];
        for (url, expected) in cases {
            assert_eq!(read(url), expected, "{url}");
        }
    }
}
