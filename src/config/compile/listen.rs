//! How are clients treated? The section `listen`, but for its address and its size.

use std::path::Path;

use ipnet::IpNet;

use crate::config::compile::range::Span;
use crate::config::notes::At;
use crate::config::notes::Notes;
use crate::config::path::KeyPath;
use crate::config::raw::RawClientTimeouts;
use crate::config::raw::RawListen;
use crate::config::raw::RawListenTls;
use crate::config::raw::RawProxyProtocol;
use crate::config::shape::List;
use crate::config::tls_files::ClientCertificates;
use crate::config::tls_files::TlsFault;
use crate::config::tls_files::TlsFiles;
use crate::config::word::Word;
use crate::policy::clients::ClientTimeouts;
use crate::policy::clients::Clients;
use crate::policy::networks::Networks;

const TIMEOUT: Span<'_> = Span { what: "a timeout", from: "1ms", to: "1h", otherwise: "" };

/// Compiles what a reload may change of the section `listen`.
pub(super) fn clients(raw: &RawListen, notes: &mut Notes) -> Clients {
    let path = KeyPath::of("listen.trusted_proxies");
    Clients {
        timeouts: timeouts(&raw.timeouts, notes),
        trusted_proxies: networks(&raw.trusted_proxies, &path, notes),
    }
}

/// Compiles `listen.tls`; none where it is not given, or a file is missing or wrong.
pub(super) fn tls(
    raw: Option<&RawListenTls>,
    directory: &Path,
    notes: &mut Notes,
) -> Option<TlsFiles> {
    let raw = raw?;
    let section = KeyPath::of("listen.tls");
    let mut file = |found: Option<&Word<String>>, key, holds| {
        if found.is_none() {
            let help = format!("add `{key}: FILE`, a PEM file with {holds}");
            let at = At::Value(section.key(key));
            notes.complain(at, "TLS needs a certificate and its key", help);
        }
        found.map(|Word(file)| directory.join(file))
    };
    let certificate = file(raw.certificate.as_ref(), "certificate", "the certificate");
    let private_key = file(raw.private_key.as_ref(), "private_key", "its key");
    if raw.client_certificates.is_some() && raw.client_ca.is_none() {
        let help = "add `client_ca: FILE`, a PEM file with the authority of the clients";
        let at = At::Value(section.key("client_certificates"));
        notes.complain(at, "no authority is given for the clients' certificates", help);
    }
    let given = raw.client_certificates.map(|Word(given)| given);
    let files = TlsFiles {
        certificate: certificate?,
        private_key: private_key?,
        client_ca: raw.client_ca.as_ref().map(|Word(file)| directory.join(file)),
        client_certificates: given.unwrap_or(ClientCertificates::Required),
    };
    if let Err(TlsFault { key, message }) = files.server() {
        let help = "name PEM files, from the directory of the configuration file";
        notes.complain(At::Value(section.key(key)), message, help);
    }
    Some(files)
}

/// Compiles `listen.proxy_protocol`.
pub(super) fn proxies(raw: Option<&RawProxyProtocol>, notes: &mut Notes) -> Networks {
    let Some(raw) = raw else { return Networks::default() };
    let path = KeyPath::of("listen.proxy_protocol.trusted");
    if raw.trusted.0.is_empty() {
        let help = "name the networks of the proxies, such as `[10.0.0.0/8]`, or leave \
                    `proxy_protocol` out";
        notes.complain(At::Value(path.clone()), "no proxy is trusted", help);
    }
    networks(&raw.trusted, &path, notes)
}

fn networks(raw: &List<Word<IpNet>>, path: &KeyPath, notes: &mut Notes) -> Networks {
    let mut networks = Vec::new();
    for (index, network) in raw.0.iter().enumerate() {
        if let Some(Word(network)) = network {
            networks.push(*network);
        } else {
            let at = At::Value(path.index(index));
            let help = "write a network such as `10.0.0.0/8`";
            notes.complain(at, "nothing is not a network", help);
        }
    }
    Networks::new(networks)
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
