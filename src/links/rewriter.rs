//! How is a link rewritten that comes in pieces? What may still become the upstream's address is
//! held back until that is known.

use std::sync::Arc;

use bytes::Bytes;

use crate::links::candidates::Candidates;
use crate::links::json::Byte;
use crate::links::json::Reader;
use crate::policy::public_url::PublicUrl;

/// By so many bytes the links of a piece may grow before they are copied once more.
const ROOM: usize = 1024;

/// Rewrites one JSON text as it streams. However it is cut into pieces, the same comes out.
///
/// At most the beginning of one value is held back, of one of [`PublicUrl::replaced`]: 267
/// characters at the most, of six bytes each where all of them are escaped.
#[derive(Debug)]
pub struct Rewriter {
    url: Arc<PublicUrl>,
    reader: Reader,
    link: Option<Link>,
}

/// The value of a link that may still have to be rewritten.
#[derive(Debug)]
struct Link {
    /// What of it came with earlier pieces.
    held: Vec<u8>,
    /// Where in this piece it goes on, or begins.
    begin: usize,
    candidates: Candidates,
    /// How many of its bytes make up the characters that the candidates begin with.
    matched: usize,
}

impl Rewriter {
    /// A rewriter of one text, of which nothing has come yet.
    pub const fn new(url: Arc<PublicUrl>) -> Self {
        Self { url, reader: Reader::new(), link: None }
    }

    /// What the next piece becomes, as far as it is known; may be empty. A piece in which nothing
    /// is to be rewritten is not copied.
    pub fn pass(&mut self, piece: Bytes) -> Bytes {
        let until = piece.len();
        let mut out = Output { piece, copied: 0, until, text: Vec::new() };
        let mut at = 0_usize;
        while let Some(next) = out.piece.get(at..).filter(|next| !next.is_empty()) {
            let idle = self.reader.idle(next);
            if idle > 0 {
                at = at.saturating_add(idle);
                continue;
            }
            let Some(&byte) = next.first() else { break };
            at = at.saturating_add(1);
            self.read(byte, at, &mut out);
        }
        if let Some(link) = &mut self.link {
            link.hold(&mut out);
        }
        out.finish()
    }

    /// What was held back, where the text ends here.
    pub fn end(&mut self) -> Bytes {
        self.link.take().map_or_else(Bytes::new, |link| Bytes::from(link.held))
    }

    /// Whether nothing is held back.
    pub const fn is_idle(&self) -> bool {
        self.link.is_none()
    }

    /// Reads a byte; `at` is where in the piece the next one stands.
    fn read(&mut self, byte: u8, at: usize, out: &mut Output) {
        let character = match self.reader.read(byte) {
            Byte::Other | Byte::Inside => return,
            Byte::Begin => {
                let candidates = Candidates::of(self.url.replaced());
                self.link = Some(Link { held: Vec::new(), begin: at, candidates, matched: 0 });
                return;
            }
            Byte::Character(character) => Some(character),
            Byte::End => None,
            Byte::Foreign => return self.leave(out),
        };
        let Some(link) = &mut self.link else { return };
        let addresses = self.url.replaced();
        // RFC 3986 §3.2: this is what an authority ends before.
        if matches!(character, None | Some(b'/' | b'?' | b'#'))
            && link.candidates.has_whole(addresses)
        {
            link.replace(self.url.as_str(), out);
            self.link = None;
            self.reader.leave_link();
            return;
        }
        match character.and_then(|read| link.candidates.narrowed(addresses, read)) {
            Some(candidates) => {
                link.candidates = candidates;
                link.matched = link.read(at);
            }
            None => self.leave(out),
        }
    }

    /// The link is not one of the upstream.
    fn leave(&mut self, out: &mut Output) {
        if let Some(link) = self.link.take() {
            out.push(&link.held);
        }
        self.reader.leave_link();
    }
}

impl Link {
    /// How many of its bytes were read, where the next one stands at `at` in this piece.
    fn read(&self, at: usize) -> usize {
        self.held.len().saturating_add(at.saturating_sub(self.begin))
    }

    fn replace(&self, url: &str, out: &mut Output) {
        out.copy_to(self.begin);
        out.push(url.as_bytes());
        if let Some(behind) = self.held.get(self.matched..) {
            // What ends the authority began in an earlier piece, or in this one.
            out.push(behind);
        } else {
            let here = self.matched.saturating_sub(self.held.len());
            out.copied = self.begin.saturating_add(here);
        }
    }

    /// The piece ends: what of the link is in it is held back.
    fn hold(&mut self, out: &mut Output) {
        self.held.extend_from_slice(out.piece.get(self.begin..).unwrap_or_default());
        out.until = self.begin;
        self.begin = 0;
    }
}

/// What becomes of one piece.
struct Output {
    piece: Bytes,
    /// How much of the piece has come out already, or was replaced.
    copied: usize,
    /// Where in the piece that begins which is held back.
    until: usize,
    text: Vec<u8>,
}

impl Output {
    fn push(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    /// Everything of the piece before `end` comes out as it is.
    fn copy_to(&mut self, end: usize) {
        if self.text.is_empty() {
            self.text.reserve(self.piece.len().saturating_add(ROOM));
        }
        self.text.extend_from_slice(self.piece.get(self.copied..end).unwrap_or_default());
        self.copied = end;
    }

    fn finish(mut self) -> Bytes {
        if self.text.is_empty() {
            self.piece.truncate(self.until);
            return self.piece;
        }
        self.copy_to(self.until);
        Bytes::from(self.text)
    }
}
