//! Where does the next request begin? A client's bytes, message by message, as they come.
//!
//! **Invariant:** not a byte of a head is clear before the whole head is beyond doubt, and none
//! behind one that is not.

use crate::ingress::Framing;
use crate::ingress::HeadFault;
use crate::ingress::chunks::Chunks;
use crate::ingress::head;
use crate::ingress::head::Look;

/// How far the bytes of one connection have been looked at.
#[derive(Debug)]
pub(super) struct Walk {
    place: Place,
    /// Heads that were clear.
    heads: u64,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// Before a head, of which so many bytes have been seen.
    Head {
        seen: usize,
    },
    /// In a body of known length.
    Length {
        left: usize,
    },
    Chunks(Chunks),
    /// Behind the last message that can be told from the next.
    Lost,
}

/// What became of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// So many of the first may be handed on.
    pub(super) clear: usize,
    pub(super) end: Option<End>,
}

/// Why nothing more may be handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The next head is not beyond doubt.
    Head(HeadFault),
    /// The chunks of a body, whose head is clear, are malformed.
    Body,
}

impl Walk {
    pub(super) const fn new() -> Self {
        Self { place: Place::Head { seen: 0 }, heads: 0 }
    }

    /// Heads that were clear so far.
    pub(super) const fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether the next byte belongs to a head.
    pub(super) const fn is_before_head(&self) -> bool {
        matches!(self.place, Place::Head { .. })
    }

    /// Goes over `bytes`: those that were not clear before, and what came behind them.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        let mut clear = 0_usize;
        loop {
            let rest = bytes.get(clear..).unwrap_or_default();
            if rest.is_empty() {
                return Step { clear, end: None };
            }
            match self.pass(rest) {
                Ok(0) => return Step { clear, end: None },
                Ok(passed) => clear = clear.saturating_add(passed),
                Err(end) => {
                    self.place = Place::Lost;
                    return Step { clear, end: Some(end) };
                }
            }
        }
    }

    /// The next clear bytes; none as long as a head is incomplete.
    fn pass(&mut self, rest: &[u8]) -> Result<usize, End> {
        match &mut self.place {
            Place::Head { seen } => {
                let new = rest.get(*seen..).unwrap_or_default();
                // A head that comes byte by byte is not parsed for each of them.
                if *seen > 0 && rest.len() <= head::MAX_HEAD && !new.contains(&b'\n') {
                    *seen = rest.len();
                    return Ok(0);
                }
                self.head(rest)
            }
            Place::Length { left } => {
                let passed = rest.len().min(*left);
                *left = left.saturating_sub(passed);
                if *left == 0 {
                    self.place = Place::Head { seen: 0 };
                }
                Ok(passed)
            }
            Place::Chunks(chunks) => {
                let passed = chunks.skip(rest).map_err(|_| End::Body)?;
                if chunks.is_at_end() {
                    self.place = Place::Head { seen: 0 };
                }
                Ok(passed)
            }
            Place::Lost => Ok(0),
        }
    }

    fn head(&mut self, rest: &[u8]) -> Result<usize, End> {
        match head::look(rest) {
            Look::Partial => {
                self.place = Place::Head { seen: rest.len() };
                Ok(0)
            }
            Look::Refused(fault) => Err(End::Head(fault)),
            Look::Whole { length, framing } => {
                self.heads = self.heads.saturating_add(1);
                self.place = match framing {
                    Framing::Unframed | Framing::Length(0) => Place::Head { seen: 0 },
                    Framing::Length(left) => Place::Length { left },
                    Framing::Chunked => Place::Chunks(Chunks::new()),
                };
                Ok(length)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::End;
    use super::Step;
    use super::Walk;
    use crate::ingress::HeadFault;
    use proptest::prelude::ProptestConfig;
    use proptest::prop_assert;
    use proptest::prop_assert_eq;
    use proptest::proptest;

    const GET: &str = "GET /v1/Services HTTP/1.1\r\nhost: a\r\n\r\n";
    const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nTtl=5";
    const CHUNKED: &str = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
                           5\r\nTtl=5\r\n0\r\n\r\n";

    /// Hands `text` on in pieces that end at `cuts`: how much is clear in the end, and why it
    /// ended.
    fn walk(text: &[u8], cuts: &[usize]) -> (Walk, Step) {
        let (mut walk, mut clear) = (Walk::new(), 0);
        for &cut in cuts.iter().chain([&text.len()]) {
            let step = walk.step(&text[clear..cut.max(clear)]);
            clear = clear.saturating_add(step.clear);
            if step.end.is_some() {
                return (walk, Step { clear, ..step });
            }
        }
        (walk, Step { clear, end: None })
    }

    #[test]
    fn one_message_follows_the_other_whatever_frames_them() {
        let text = [GET, POST, CHUNKED, GET, POST].concat();
        let (walk, step) = walk(text.as_bytes(), &[]);
        assert_eq!(step, Step { clear: text.len(), end: None });
        assert_eq!(walk.heads(), 5);
        assert!(walk.is_before_head());
    }

    #[test]
    fn nothing_of_a_head_is_clear_before_all_of_it() {
        let text = [POST, GET].concat();
        for cut in POST.len()..text.len() {
            let (walk, step) = walk(&text.as_bytes()[..cut], &[]);
            assert_eq!((step.clear, walk.heads()), (POST.len(), 1));
        }
    }

    #[test]
    fn nothing_behind_a_doubtful_head_is_clear() {
        let text = [GET, "GET / HTTP/1.1\r\ncontent-length: 05\r\n\r\n", GET].concat();
        let (mut walk, step) = walk(text.as_bytes(), &[]);
        assert_eq!(step.clear, GET.len());
        assert!(matches!(step.end, Some(End::Head(HeadFault::Framing(_)))));
        assert_eq!(walk.step(GET.as_bytes()), Step { clear: 0, end: None });
    }

    #[test]
    fn malformed_chunks_end_it_behind_a_clear_head() {
        let text = CHUNKED.replace("0\r\n\r\n", "zz\r\n");
        assert_eq!(walk(text.as_bytes(), &[]).1.end, Some(End::Body));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_does_not_matter_how_the_bytes_are_cut(
            order in proptest::collection::vec(0_usize..3, 1..6),
            mut cuts in proptest::collection::vec(0_usize..400, 0..12),
        ) {
            let text: String = order.iter().map(|n| [GET, POST, CHUNKED][*n]).collect();
            cuts.retain(|cut| *cut <= text.len());
            cuts.sort_unstable();
            let (walk, step) = walk(text.as_bytes(), &cuts);
            prop_assert_eq!(step, Step { clear: text.len(), end: None });
            prop_assert_eq!(walk.heads(), u64::try_from(order.len()).unwrap());
        }

        #[test]
        fn no_bytes_make_it_stumble(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let whole = walk(&bytes, &[]).1;
            prop_assert!(whole.clear <= bytes.len());
            let cuts: Vec<_> = (0..bytes.len()).collect();
            let bytewise = walk(&bytes, &cuts).1;
            prop_assert!(bytewise.clear <= whole.clear || whole.end.is_none());
        }
    }
}
