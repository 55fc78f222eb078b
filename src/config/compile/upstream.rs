//! Where do admitted requests go? The section `upstream`.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use http::HeaderValue;
use rustls::ClientConfig;

use crate::config::compile::origin;
use crate::config::compile::range::Span;
use crate::config::compile::tls::Authority;
use crate::config::compile::url_file;
use crate::config::notes::At;
use crate::config::notes::Notes;
use crate::config::path::KeyPath;
use crate::config::peel;
use crate::config::raw::RawTimeouts;
use crate::config::raw::RawUpstream;
use crate::config::shape::OneOrMany;
use crate::config::suggest;
use crate::config::word::Word;
use crate::policy::public_url::PublicUrl;
use crate::policy::upstream::HostHeader;
use crate::policy::upstream::Origin;
use crate::policy::upstream::Origins;
use crate::policy::upstream::Scheme;
use crate::policy::upstream::Timeouts;
use crate::policy::upstream::Upstream;

const TIMEOUT: Span<'_> = Span { what: "a timeout", from: "1ms", to: "1h", otherwise: "" };
const CONNECT: Span<'_> = Span { otherwise: "for 1s", ..TIMEOUT };
const RESPONSE: Span<'_> = Span { otherwise: "for 15s", ..TIMEOUT };
const IDLE: Span<'_> = Span { otherwise: "for 4s", ..TIMEOUT };
/// The most servers.
const MAX_ORIGINS: usize = 64;

/// Compiles the section `upstream`; none where it names no server.
pub(super) fn upstream(
    raw: &RawUpstream,
    directory: &Path,
    notes: &mut Notes,
) -> Option<Upstream> {
    let origins = match url_file::origins(raw, directory, notes) {
        Some(origins) => at_most(origins, "upstream.url_file", notes),
        None => origins(raw.url.as_ref(), notes),
    };
    let is_https = origins.iter().any(|origin| origin.scheme == Scheme::Https);
    let host = host(raw.host.as_ref(), is_https, notes);
    let timeouts = timeouts(&raw.timeouts, notes);
    let ca = raw.tls.ca.as_ref();
    let tls = if is_https { client(ca, directory, notes) } else { None };
    let public_url = public_url(raw.public_url.as_ref(), notes);
    let origins = Origins::from_vec(origins)?;
    let public_url = public_url.map(|url| Arc::new(PublicUrl::new(&url, &origins, &host)));
    Some(Upstream { origins, host, timeouts, tls, public_url })
}

fn origins(raw: Option<&OneOrMany>, notes: &mut Notes) -> Vec<Origin> {
    let path = KeyPath::of("upstream.url");
    let urls = raw.map(|url| url.texts(&path)).unwrap_or_default();
    if urls.is_empty() {
        let help = "write `upstream: { url: http://HOST:PORT }` in the configuration file, set \
                    MASKGATE_UPSTREAM__URL, or give --upstream URL";
        notes.complain(At::Value(path), "no upstream is given", help);
    }
    let urls = at_most(urls, "upstream.url", notes);
    let mut origins = Vec::new();
    for (path, url) in urls {
        match url.map(origin::origin) {
            Some(Ok(origin)) => origins.push(origin),
            Some(Err(bad)) => notes.complain(At::Value(path), bad.message, bad.help),
            None => {
                let help = "write a URL such as `http://127.0.0.1:9000`";
                notes.complain(At::Value(path), "nothing is not a URL", help);
            }
        }
    }
    origins
}

/// The servers, unless they are too many.
fn at_most<T>(servers: Vec<T>, key: &str, notes: &mut Notes) -> Vec<T> {
    if servers.len() <= MAX_ORIGINS {
        return servers;
    }
    let message = format!("{} servers are too many for an upstream", servers.len());
    let help = format!("name at most {MAX_ORIGINS}, or a load balancer before them");
    notes.complain(At::Value(KeyPath::of(key)), message, help);
    Vec::new()
}

/// What the upstream is told as `Host`. A backend of one's own sees what the client sent; an
/// `https` one sees the name that its certificate is for.
fn host(raw: Option<&Word<String>>, is_https: bool, notes: &mut Notes) -> HostHeader {
    let default = if is_https { HostHeader::Upstream } else { HostHeader::Preserve };
    let Some(Word(word)) = raw else { return default };
    match word.as_str() {
        "preserve" => return HostHeader::Preserve,
        "upstream" => return HostHeader::Upstream,
        _ => {}
    }
    let at = At::Value(KeyPath::of("upstream.host"));
    let message = format!("{} is not a host", peel::quoted(word));
    if let Some(nearest) = suggest::nearest(word, ["preserve", "upstream"]) {
        notes.complain(at, message, format!("did you mean `{nearest}`?"));
        return default;
    }
    match (origin::origin(&format!("http://{word}")), HeaderValue::from_str(word)) {
        (Ok(_), Ok(name)) if !word.ends_with('/') => HostHeader::Name(name),
        _ => {
            let help = "write `preserve`, `upstream`, or a name such as `api.example.com`";
            notes.complain(at, message, help);
            default
        }
    }
}

/// The origin that clients know the gateway by.
fn public_url(raw: Option<&Word<String>>, notes: &mut Notes) -> Option<Origin> {
    let Word(url) = raw?;
    let at = At::Value(KeyPath::of("upstream.public_url"));
    match origin::origin(url) {
        Ok(origin) => {
            if let Some(labels) = labels_that_node_mangles(&origin.host) {
                let message = format!(
                    "with a host name of {labels} labels, the official Node SDK asks another \
                     host for the next page"
                );
                let help = "give the gateway a name of 1, 3, 4 or 5 labels, or an address, if \
                            such clients use it";
                notes.warn(at, message, help);
            }
            Some(origin)
        }
        Err(bad) => {
            notes.complain(at, bad.message, bad.help);
            None
        }
    }
}

/// How many labels a host name has, where twilio-node (6.2.0) takes it apart wrongly: it reads a
/// name as product, edge, region and domain.
fn labels_that_node_mangles(host: &str) -> Option<usize> {
    let is_address = host.contains(':') || host.parse::<Ipv4Addr>().is_ok();
    let labels = host.trim_end_matches('.').split('.').count();
    (!is_address && (labels == 2 || labels > 5)).then_some(labels)
}

fn timeouts(raw: &RawTimeouts, notes: &mut Notes) -> Timeouts {
    let section = KeyPath::of("upstream.timeouts");
    let default = Timeouts::default();
    let connect = CONNECT.take(raw.connect, &section.key("connect"), notes);
    let response = RESPONSE.take(raw.response, &section.key("response"), notes);
    let idle = IDLE.take(raw.idle, &section.key("idle"), notes);
    Timeouts {
        connect: connect.unwrap_or(default.connect),
        response: response.unwrap_or(default.response),
        idle: idle.unwrap_or(default.idle),
    }
}

fn client(
    ca: Option<&Word<String>>,
    directory: &Path,
    notes: &mut Notes,
) -> Option<Arc<ClientConfig>> {
    let file = ca.map(|Word(file)| directory.join(file));
    let at = At::Value(KeyPath::of("upstream.tls.ca"));
    let authority = Authority { whose: "the upstream's", file: file.as_deref(), at };
    authority.client(&[b"http/1.1"], notes)
}
