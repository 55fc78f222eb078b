//! How is it written? A line for each window and for each name, and a last one that tells whether
//! the file is whole.
//!
//! ```text
//! maskgate state 1
//! at BOOT TICK WALL                         when it was written, in µs
//! names KEY                                 the key of the digests below
//! name DIGEST KS…                           what a unique name stands for
//! credential DIGEST AC…                     what an API key or a bearer token stands for
//! service KS… ENDPOINT ADMISSIONS SPAN FIRST GAP GAP …
//! named DIGEST ENDPOINT …                   the charges of a window, in µs: the first, and
//! account AC… ENDPOINT …                    the time from each to the next
//! caller DIGEST ENDPOINT …
//! end CHECKSUM
//! ```

use std::fmt::Write as _;
use std::hash::Hasher;
use std::io;
use std::io::Write;
use std::str::SplitAsciiWhitespace;
use std::time::Duration;

use siphasher::sip::SipHasher24;

use crate::admit::KeptMeaning;
use crate::admit::KeptWindow;
use crate::admit::key::Scope;
use crate::admit::key::WindowKey;
use crate::policy::endpoint::Endpoint;
use crate::restart::Kept;
use crate::restart::moment::Moment;
use crate::sid::AccountKey;
use crate::sid::Digest;
use crate::sid::ServiceKey;
use crate::sid::Sid;
use crate::sid::SidKind;
use crate::time::Tick;
use crate::time::micros;

/// What every such file begins with.
pub(super) const MAGIC: &str = "maskgate state ";
const FIRST: &str = "maskgate state 1";
/// What the last line takes.
const END: u64 = 32;

/// Writes lines, as long as there is room.
pub(super) struct Lines<W> {
    out: W,
    line: String,
    checksum: SipHasher24,
    room: u64,
}

impl<W: Write> Lines<W> {
    /// Nothing is written yet; `room` is how many bytes may be.
    pub(super) fn new(out: W, room: u64) -> Self {
        let room = room.saturating_sub(END);
        Self { out, line: String::new(), checksum: SipHasher24::new(), room }
    }

    /// When it is written, and with which key names are hashed.
    pub(super) fn head(&mut self, moment: &Moment, names_key: &[u8; 16]) -> io::Result<()> {
        let Moment { boot, tick, wall } = moment;
        let (tick, wall, key) = (tick.as_micros(), micros(*wall), hex(names_key));
        self.line = format!("{FIRST}\nat {boot} {tick} {wall}\nnames {key}");
        self.finish().map(drop)
    }

    /// What a name or a credential stands for; answers whether there was room.
    pub(super) fn meaning(&mut self, meaning: KeptMeaning) -> io::Result<bool> {
        self.line = match meaning {
            KeptMeaning::Name(digest, sid) => format!("name {} {sid}", hex(&digest.0)),
            KeptMeaning::Credential(digest, sid) => {
                format!("credential {} {sid}", hex(&digest.0))
            }
        };
        self.finish()
    }

    /// The charges of a window; answers whether there was room.
    pub(super) fn window(&mut self, window: &KeptWindow) -> io::Result<bool> {
        let KeptWindow { key, admissions, micros, times } = window;
        self.line = match key.scope {
            Scope::Service(ServiceKey::Sid(sid)) => format!("service {sid}"),
            Scope::Service(ServiceKey::Named(digest)) => format!("named {}", hex(&digest.0)),
            Scope::Account(AccountKey::Sid(sid)) => format!("account {sid}"),
            Scope::Account(AccountKey::Credential(digest)) => {
                format!("caller {}", hex(&digest.0))
            }
        };
        let mut before = 0;
        let text = &mut self.line;
        // Writing to a string never fails.
        let _infallible = write!(text, " {} {admissions} {micros}", key.endpoint);
        for time in times {
            let _infallible = write!(text, " {}", time.saturating_sub(before));
            before = *time;
        }
        self.finish()
    }

    /// Writes the line that is made, if there is room.
    fn finish(&mut self) -> io::Result<bool> {
        self.line.push('\n');
        let length = u64::try_from(self.line.len()).unwrap_or(u64::MAX);
        let Some(room) = self.room.checked_sub(length) else { return Ok(false) };
        self.room = room;
        self.checksum.write(self.line.as_bytes());
        self.out.write_all(self.line.as_bytes())?;
        Ok(true)
    }

    /// Writes the last line.
    pub(super) fn end(mut self) -> io::Result<W> {
        writeln!(self.out, "end {:016x}", self.checksum.finish())?;
        Ok(self.out)
    }
}

/// What a whole file says, and when it was written; nothing where it is none that was written
/// before `now`.
pub(super) fn parse(text: &str, now: Tick) -> Option<(Moment, Kept)> {
    let body = whole(text)?;
    let mut lines = body.lines();
    let is_ours = lines.next() == Some(FIRST);
    let moment = lines.next().filter(|_| is_ours).and_then(moment)?;
    let names_key = lines.next()?.strip_prefix("names ").and_then(bytes)?;
    let mut kept = Kept { names_key, ..Kept::default() };
    for line in lines {
        let mut words = line.split_ascii_whitespace();
        match (words.next()?, words.next()?) {
            ("name", digest) => {
                let service = Sid::parse_as(SidKind::Service, words.next()?)?;
                kept.meanings.push(KeptMeaning::Name(Digest(bytes(digest)?), service));
            }
            ("credential", digest) => {
                let account = Sid::parse_as(SidKind::Account, words.next()?)?;
                kept.meanings.push(KeptMeaning::Credential(Digest(bytes(digest)?), account));
            }
            (kind, whose) => {
                let window = window(scope(kind, whose)?, &mut words)?;
                // Of another clock, the outcome says so, whatever the times are.
                kept.windows.push(window.checked(now.max(moment.tick))?);
            }
        }
        if words.next().is_some() {
            return None;
        }
    }
    Some((moment, kept))
}

/// All but the last line, which has to say that they are all there.
fn whole(text: &str) -> Option<&str> {
    let at = text.strip_suffix('\n')?.rfind('\n')?.checked_add(1)?;
    let (body, end) = text.split_at_checked(at)?;
    let mut checksum = SipHasher24::new();
    checksum.write(body.as_bytes());
    (end == format!("end {:016x}\n", checksum.finish())).then_some(body)
}

fn moment(line: &str) -> Option<Moment> {
    let mut words = line.strip_prefix("at ")?.split(' ');
    let boot = words.next()?.to_owned();
    let tick = Tick::from_micros(words.next()?.parse().ok()?);
    let wall = Duration::from_micros(words.next()?.parse().ok()?);
    Some(Moment { boot, tick, wall })
}

fn scope(kind: &str, whose: &str) -> Option<Scope> {
    let digest = || bytes(whose).map(Digest);
    Some(match kind {
        "service" => Scope::Service(ServiceKey::Sid(Sid::parse_as(SidKind::Service, whose)?)),
        "named" => Scope::Service(ServiceKey::Named(digest()?)),
        "account" => Scope::Account(AccountKey::Sid(Sid::parse_as(SidKind::Account, whose)?)),
        "caller" => Scope::Account(AccountKey::Credential(digest()?)),
        _ => return None,
    })
}

fn window(scope: Scope, words: &mut SplitAsciiWhitespace<'_>) -> Option<KeptWindow> {
    let endpoint = Endpoint::by_name(words.next()?)?;
    let admissions = words.next()?.parse().ok()?;
    let micros = words.next()?.parse().ok()?;
    let mut times = Vec::new();
    let mut at: u64 = 0;
    for gap in words {
        at = at.checked_add(gap.parse().ok()?)?;
        times.push(at);
    }
    Some(KeptWindow { key: WindowKey { scope, endpoint }, admissions, micros, times })
}

fn hex(bytes: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*bytes))
}

fn bytes(hex: &str) -> Option<[u8; 16]> {
    let is_hex = hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    u128::from_str_radix(hex, 16).ok().filter(|_| is_hex).map(u128::to_be_bytes)
}
