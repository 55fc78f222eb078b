//! Which requests are traced, and where do their spans go? The section `traces`.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use crate::config::compile::origin;
use crate::config::compile::origin::BadUrl;
use crate::config::compile::origin::bad;
use crate::config::compile::range;
use crate::config::compile::range::Count;
use crate::config::compile::range::Span;
use crate::config::compile::tls::Authority;
use crate::config::notes::At;
use crate::config::notes::Notes;
use crate::config::path::KeyPath;
use crate::config::raw::RawOtlp;
use crate::config::raw::RawTraces;
use crate::config::shape::PartOfOne;
use crate::config::word::Word;
use crate::policy::headers_file;
use crate::policy::traces::CollectorTls;
use crate::policy::traces::Otlp;
use crate::policy::traces::Sample;
use crate::policy::upstream::Origin;
use crate::policy::upstream::Scheme;

const TIMEOUT: Span<'_> =
    Span { what: "a timeout", from: "1ms", to: "1m", otherwise: "for 10s" };
const QUEUE: Count<'_> =
    Count { what: "a number of spans", from: 1, to: 1_000_000, otherwise: "for 4096" };
/// Where a collector takes traces, behind the path that is configured.
const TRACES: &str = "/v1/traces";

/// Compiles the section `traces`; none where it is not given, or wrong.
pub(super) fn traces(raw: &RawTraces, directory: &Path, notes: &mut Notes) -> Option<Otlp> {
    let raw = raw.otlp.as_ref()?;
    let section = KeyPath::of("traces.otlp");
    let endpoint = endpoint_of(raw, &section, notes);
    let is_https = endpoint.as_ref().is_some_and(|(at, _)| at.scheme == Scheme::Https);
    let tls = if is_https { tls(raw, &section, directory, notes) } else { None };
    if raw.tls.is_some() && endpoint.is_some() && !is_https {
        let help = "begin the URL with `https://`, or take `tls` out";
        notes.complain(At::key(section.key("tls")), "TLS is not spoken by this URL", help);
    }
    let headers = headers(raw, &section, directory, notes);
    let timeout = TIMEOUT.take(raw.timeout, &section.key("timeout"), notes);
    let queue = QUEUE.take(raw.queue, &section.key("queue"), notes);
    let (collector, path) = endpoint?;
    Some(Otlp {
        collector,
        path,
        tls,
        headers,
        sample: raw.sample.map_or(Sample::DEFAULT, |PartOfOne(sample)| sample),
        timeout: timeout.unwrap_or(Otlp::TIMEOUT),
        queue: queue.map_or(Otlp::QUEUE, range::size),
    })
}

fn endpoint_of(
    raw: &RawOtlp,
    section: &KeyPath,
    notes: &mut Notes,
) -> Option<(Origin, String)> {
    let path = section.key("endpoint");
    let Some(Word(url)) = &raw.endpoint else {
        let help = "add `endpoint: http://HOST:4318`, or take `otlp` out";
        notes.complain(At::Value(path), "no collector is given", help);
        return None;
    };
    let endpoint = endpoint(url);
    endpoint.map_err(|bad| notes.complain(At::Value(path), bad.message, bad.help)).ok()
}

/// Reads `http://HOST:PORT`, with or without a path, and with or without [`TRACES`] behind it.
fn endpoint(url: &str) -> Result<(Origin, String), BadUrl> {
    // First of all, so that no other refusal quotes a secret.
    if url.contains('@') {
        let help = "take it out, up to and including the `@`: credentials are lines of the file that \
                    `headers_file` names";
        return bad("user information does not belong in this URL", help);
    }
    let begin = url.find("://").map_or(0, |at| at.saturating_add("://".len()));
    let (scheme, rest) = url.split_at_checked(begin).unwrap_or((url, ""));
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, path.trim_end_matches('/')),
        None => (rest, ""),
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    if !path.bytes().all(is_plain) {
        let help = "write letters, digits, `/`, `-`, `.`, `_` and `~` behind the host";
        return bad("the URL has a path that no collector has", help);
    }
    let path = format!("/{path}");
    let base = path.strip_suffix(TRACES).unwrap_or(&path).trim_end_matches('/');
    Ok((origin::origin(&format!("{scheme}{authority}"))?, format!("{base}{TRACES}")))
}

/// The file of the headers must be right, though it is read again for each batch.
fn headers(
    raw: &RawOtlp,
    section: &KeyPath,
    directory: &Path,
    notes: &mut Notes,
) -> Option<PathBuf> {
    let Word(file) = raw.headers_file.as_ref()?;
    let file = directory.join(file);
    let read = fs::read_to_string(&file).map_err(|error| error.to_string());
    let parsed = |text: String| headers_file::parse(&text).map_err(|bad| bad.to_string());
    if let Err(bad) = read.and_then(parsed) {
        let message = format!("{bad}, reading {}", file.display());
        let help = "name a file of lines `name: value`, from the directory of the configuration \
                    file";
        notes.complain(At::Value(section.key("headers_file")), message, help);
    }
    Some(file)
}

fn tls(
    raw: &RawOtlp,
    section: &KeyPath,
    directory: &Path,
    notes: &mut Notes,
) -> Option<CollectorTls> {
    let ca = raw.tls.as_ref().and_then(|tls| tls.ca.as_ref());
    let ca = ca.map(|Word(file)| directory.join(file));
    let at = At::Value(section.key("tls").key("ca"));
    let authority = Authority { whose: "the collector's", file: ca.as_deref(), at };
    let client = authority.client(&[b"http/1.1"], notes)?;
    Some(CollectorTls { ca, client })
}

#[cfg(test)]
mod tests {
    use super::endpoint;

    fn read(url: &str) -> String {
        match endpoint(url) {
            Ok((collector, path)) => format!("{collector}{path}"),
            Err(bad) => bad.message,
        }
    }

    #[test]
    fn an_endpoint_is_an_origin_and_the_beginning_of_a_path() {
        let cases = [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://Collector.local/", "https://collector.local/v1/traces"),
            ("http://[::1]:4318/otlp/", "http://[::1]:4318/otlp/v1/traces"),
            ("http://h/api/v2/otlp", "http://h/api/v2/otlp/v1/traces"),
            ("http://h/v1/traces", "http://h/v1/traces"),
            ("http://h/otlp/v1/traces/", "http://h/otlp/v1/traces"),
            ("http://h/xv1/traces", "http://h/xv1/traces/v1/traces"),
            ("http://u:p@h", "user information does not belong in this URL"),
            ("http://h/a?x=1", "the URL has a path that no collector has"),
            ("http://h?x=1", "an origin is wanted, and this URL has a query"),
            ("h:4318", "the URL has no scheme"),
            ("grpc://h:4317", "the scheme of the URL is not one that the gateway speaks"),
            ("", "the URL has no scheme"),
        ];
        for (url, expected) in cases {
            assert_eq!(read(url), expected, "{url}");
        }
    }
}
