//! The short forms that stand in a case's bytes. `README.md` beside the cases lists them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Stands where padding goes, until the size of the rest is known.
const PAD: &[u8] = b"\x01pad\x01";
/// Stands where the length of the body goes.
const LENGTH: &[u8] = b"\x01length\x01";

/// A whole request that nobody may take for one.
const SMUGGLED: &str = "GET {sessions}/smuggled HTTP/1.1\r\nHost: gate\r\n\
                        Authorization: {auth}\r\n\r\n";

/// The part of a request that is padded to a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Target,
    Head,
    Body,
}

/// Gives every case a service, an account and request ids of its own.
pub(crate) struct Names {
    number: usize,
    requests: usize,
}

impl Names {
    pub(crate) const fn new(number: usize) -> Self {
        Self { number, requests: 0 }
    }

    /// The id of the case's nth request, counted from 1.
    pub(crate) fn id(number: usize, request: usize) -> String {
        format!("w{number:04}-{request}")
    }

    /// A request that asks whether the gateway still serves.
    pub(crate) fn probe(number: usize) -> (String, Vec<u8>) {
        let (service, auth) = Self::new(number).service_and_auth();
        let id = format!("w{number:04}-probe");
        let request = format!(
            "GET {service} HTTP/1.1\r\nHost: gate\r\nAuthorization: {auth}\r\n\
             X-Request-Id: {id}\r\n\r\n"
        );
        (id, request.into_bytes())
    }

    /// The bytes that `template` stands for.
    pub(crate) fn expand(&mut self, template: &str) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let mut rest = template;
        while let Some(at) = rest.find(['{', '\\']) {
            bytes.extend_from_slice(&rest.as_bytes()[..at]);
            let escaped = rest[at..].starts_with('\\');
            rest = &rest[at + 1..];
            if escaped {
                let (byte, length) = escape(rest).ok_or_else(|| format!("escape \\{rest}"))?;
                bytes.push(byte);
                rest = &rest[length..];
            } else {
                let (name, behind) = rest.split_once('}').ok_or("a { without its }")?;
                bytes.extend(self.short_form(name)?);
                rest = behind;
            }
        }
        bytes.extend_from_slice(rest.as_bytes());
        Ok(bytes)
    }

    fn short_form(&mut self, name: &str) -> Result<Vec<u8>, String> {
        if let Some((text, count)) = name.rsplit_once('*') {
            let count = count.parse().map_err(|_| format!("no count in {{{name}}}"))?;
            return Ok(self.expand(text)?.repeat(count));
        }
        if let Some(count) = name.strip_prefix("fields ") {
            let count =
                count.parse::<usize>().map_err(|_| format!("no count in {{{name}}}"))?;
            let fields: Vec<_> = (1..=count).map(|n| format!("F{n}: v")).collect();
            return Ok(fields.join("\r\n").into_bytes());
        }
        let text = match name {
            "pad" => return Ok(PAD.to_vec()),
            "length" => return Ok(LENGTH.to_vec()),
            "get" => return self.expand("GET {sessions} HTTP/1.1\r\n{common}"),
            "post" => return self.expand("POST {sessions} HTTP/1.1\r\n{common}\r\n{form}"),
            "common" => return self.expand("Host: gate\r\nAuthorization: {auth}\r\n{id}"),
            "smuggled" => return self.expand(SMUGGLED),
            "ok" => return self.expand("HTTP/1.1 200 OK\r\n{echo}"),
            "echo" => format!("X-Upstream-Id: {}", Self::id(self.number, 1)),
            "id" => {
                self.requests += 1;
                format!("X-Request-Id: {}", Self::id(self.number, self.requests))
            }
            "auth" => self.auth(),
            "AC" => format!("AC{:032x}", self.number),
            "KS" => format!("KS{:032x}", self.number),
            "KC" => format!("KC{:032x}", 1),
            "form" => "Content-Type: application/x-www-form-urlencoded".to_owned(),
            "services" => "/v1/Services".to_owned(),
            "service" => self.service(),
            "sessions" => format!("{}/Sessions", self.service()),
            _ => return Err(format!("there is no short form {{{name}}}")),
        };
        Ok(text.into_bytes())
    }

    /// The case's service, as a path, and the value of `Authorization`.
    pub(crate) fn service_and_auth(&self) -> (String, String) {
        (self.service(), self.auth())
    }

    fn service(&self) -> String {
        format!("/v1/Services/KS{:032x}", self.number)
    }

    fn auth(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("AC{:032x}:secret", self.number)))
    }
}

/// The byte that an escape stands for, and how long the escape is.
fn escape(text: &str) -> Option<(u8, usize)> {
    Some(match text.bytes().next()? {
        b'r' => (b'\r', 1),
        b'n' => (b'\n', 1),
        b't' => (b'\t', 1),
        b'0' => (0, 1),
        byte @ (b'\\' | b'{' | b'}') => (byte, 1),
        b'x' => (u8::from_str_radix(text.get(1..3)?, 16).ok()?, 3),
        _ => return None,
    })
}

/// Fills in the padding and the length of the body, both of the one request that `bytes` are.
pub(crate) fn fill(bytes: &[u8], pad: Option<(Part, usize)>) -> Result<Vec<u8>, String> {
    let body_at = |bytes: &[u8]| find(bytes, b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let padded = |bytes: &[u8], part, size: usize| {
        let head = &bytes[..body_at(bytes)];
        let target = || head.split(|&byte| byte == b' ').nth(1).map_or(0, <[u8]>::len);
        let now = match part {
            Part::Target => target(),
            Part::Head => head.len(),
            Part::Body => bytes.len() - head.len(),
        };
        let missing =
            (size + PAD.len()).checked_sub(now).ok_or("larger than the size asked for")?;
        replace(bytes, PAD, &b"x".repeat(missing)).ok_or("a size without {pad}")
    };
    let mut bytes = bytes.to_vec();
    if let Some((Part::Body, size)) = pad {
        bytes = padded(&bytes, Part::Body, size)?;
    }
    let length = bytes.len() - body_at(&bytes);
    bytes = replace(&bytes, LENGTH, length.to_string().as_bytes()).unwrap_or(bytes);
    match pad {
        Some((part @ (Part::Target | Part::Head), size)) => bytes = padded(&bytes, part, size)?,
        Some((Part::Body, _)) | None => {}
    }
    if find(&bytes, PAD).is_some() {
        return Err("{pad} without a size".to_owned());
    }
    Ok(bytes)
}

fn replace(bytes: &[u8], old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let at = find(bytes, old)?;
    Some([&bytes[..at], new, &bytes[at + old.len()..]].concat())
}

pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
