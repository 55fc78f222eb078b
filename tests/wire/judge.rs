//! What may reach an upstream, and what may reach a client, whatever the case says.

use crate::message::Framing;
use crate::message::Message;
use crate::message::is_token;

/// RFC 9110 §7.6.1, and what only a tunnel or a proxy would need.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
];

/// Fields by which frameworks change the method or the path after the gateway's check.
const OVERRIDES: [&str; 5] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
];

/// Fields that have one reading only where they stand once.
const SINGLE: [&str; 7] = [
    "authorization",
    "content-length",
    "content-type",
    "forwarded",
    "host",
    "x-forwarded-for",
    "x-request-id",
];

/// What is wrong with a request that reached the upstream. Anything is: promise A2.
pub(crate) fn of_request(request: &Message) -> Vec<String> {
    let mut faults = request.faults.clone();
    if !request.whole {
        faults.push("the request broke off".to_owned());
    }
    if !is_request_line(&request.start) {
        faults.push(format!("no plain request line: {:?}", request.start));
    }
    if !request.first("host").is_some_and(is_host) {
        faults.push(format!("no plain Host: {:?}", request.first("host")));
    }
    if !request.trailers.is_empty() {
        faults.push(format!("trailers: {:?}", request.trailers));
    }
    if request.start.starts_with("POST ") && request.framing == Framing::None {
        faults.push("a POST without framing".to_owned());
    }
    for name in HOP_BY_HOP.iter().chain(&OVERRIDES) {
        if let Some(value) = request.first(name) {
            faults.push(format!("{name}: {value:?} crossed"));
        }
    }
    for name in SINGLE {
        if request.all(name).count() > 1 {
            faults.push(format!("several {name}"));
        }
    }
    faults.extend(disguised(request));
    faults
}

/// What is wrong with an answer that reached a client.
pub(crate) fn of_answer(answer: &Message, to_old_client: bool) -> Vec<String> {
    let mut faults = answer.faults.clone();
    // To HTTP/1.0 either version is an answer (RFC 9110 §6.2).
    let version = answer.start.starts_with("HTTP/1.1") || to_old_client;
    if answer.status() < 100 || answer.start.get(12..13) != Some(" ") || !version {
        faults.push(format!("no plain status line: {:?}", answer.start));
    }
    if answer.status() == 101 {
        faults.push("the protocol was switched".to_owned());
    }
    match answer.framing {
        Framing::Chunks if to_old_client => faults.push("chunks for HTTP/1.0".to_owned()),
        Framing::Close if !to_old_client => faults.push("delimited by close".to_owned()),
        Framing::None | Framing::Length(_) | Framing::Chunks | Framing::Close => {}
    }
    for (name, value) in &answer.fields {
        let own = name == "connection" && ["close", "keep-alive"].contains(&value.as_str());
        if HOP_BY_HOP.contains(&name.as_str()) && !own {
            faults.push(format!("{name}: {value:?} crossed"));
        }
    }
    faults
}

/// Field names that an upstream which takes `_` for `-` reads as ones that decide something.
fn disguised(request: &Message) -> impl Iterator<Item = String> {
    let decides = |name: &str| {
        let name = name.replace('_', "-");
        SINGLE.contains(&name.as_str())
            || HOP_BY_HOP.contains(&name.as_str())
            || OVERRIDES.contains(&name.as_str())
            || name == "transfer-encoding"
            || name.starts_with("x-forwarded-")
    };
    let names = request.fields.iter().map(|field| field.0.as_str());
    names
        .filter(move |name| name.contains('_') && decides(name))
        .map(|name| format!("{name} crossed"))
}

fn is_request_line(line: &str) -> bool {
    let [method, target, version] = line.split(' ').collect::<Vec<_>>()[..] else {
        return false;
    };
    !method.is_empty()
        && method.bytes().all(is_token)
        && target.starts_with('/')
        && target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
        && !target.split('?').next().unwrap().contains('\\')
        && version == "HTTP/1.1"
}

/// A name or an address with an optional port (RFC 3986 §3.2.2); a comma would be a list.
fn is_host(host: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]!$&'()*+;=%".contains(&byte);
    !host.is_empty() && host.bytes().all(allowed)
}
