//! Small changes to bytes, as a list of choices tells them: the same choices make the same
//! changes, whether a seeded generator or a fuzzer makes them.

/// How many changes are made to a text: mostly one, as two are rarely harmless together.
const COUNTS: [u8; 8] = [1, 1, 1, 1, 2, 3, 4, 5];

/// Words that parsers of HTTP read differently, for wherever they are put.
pub(crate) const WORDS: [&[u8]; 56] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b"\x7f",
    b"\x85",
    b"\xc2\xa0",
    b"\xff",
    b":",
    b",",
    b";",
    b"=",
    b"&",
    b"?",
    b"#",
    b"%",
    b"%00",
    b"%0d%0a",
    b"%2F",
    b"%2e%2e",
    b"/",
    b"//",
    b"/../",
    b"\\",
    b"@",
    b"\"",
    b"+",
    b"-",
    b"0",
    b"00",
    b"0x",
    b"1",
    b"ffffffffffffffff",
    b"18446744073709551616",
    b"\r\n\r\n",
    b"\r\n ",
    b"0\r\n\r\n",
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"HTTP/2.0",
    b"GET ",
    b"HEAD ",
    b"http://gate",
    b"Content-Length: 0\r\n",
    b"Content-Length: 5\r\n",
    b"Content_Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n",
    b"Connection: close, Content-Length\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: h2c\r\n",
    b"chunked",
];

/// `original` with one to five changes; without choices, as it is.
pub(crate) fn mutated(
    original: &[u8],
    words: &[&[u8]],
    choices: impl Iterator<Item = u8>,
) -> Vec<u8> {
    let mut mutation = Mutation { bytes: original.to_vec(), words, choices };
    let count = mutation.below(COUNTS.len()).map_or(0, |at| COUNTS[at]);
    for _ in 0..count {
        if mutation.change().is_none() {
            break;
        }
    }
    mutation.bytes
}

struct Mutation<'w, C> {
    bytes: Vec<u8>,
    words: &'w [&'w [u8]],
    choices: C,
}

impl<C: Iterator<Item = u8>> Mutation<'_, C> {
    /// A choice among `count` things; none where there is nothing to choose, or no choice left.
    fn below(&mut self, count: usize) -> Option<usize> {
        let (high, low) = (self.choices.next()?, self.choices.next()?);
        usize::from(u16::from_be_bytes([high, low])).checked_rem(count)
    }

    /// One change; none when there are no choices left.
    fn change(&mut self) -> Option<()> {
        let kind = self.below(10)?;
        let at = self.below(self.bytes.len() + 1)?;
        match kind {
            0 | 1 => {
                let word = self.words[self.below(self.words.len())?];
                self.put(at, kind, word);
            }
            2 => {
                let byte = self.choices.next()?;
                self.put(at, 1, &[byte]);
            }
            3 => {
                let length = self.below(8)? + 1;
                self.put(at, length, b"");
            }
            4 => self.replace_digit(at)?,
            5 => self.flip_case(at),
            6 => self.double_line(at),
            7 => self.put_line(at, b""),
            8 => self.move_line(at)?,
            _ => self.bytes.truncate(at.max(self.bytes.len() / 2)),
        }
        Some(())
    }

    /// `new` in place of the `old` bytes at `at`.
    fn put(&mut self, at: usize, old: usize, new: &[u8]) {
        let end = (at + old).min(self.bytes.len());
        self.bytes.splice(at.min(end)..end, new.iter().copied());
    }

    /// The next digit behind `at` becomes another one, mostly one that is near.
    fn replace_digit(&mut self, at: usize) -> Option<()> {
        let by = self.choices.next()?;
        let digit = self.bytes.iter_mut().skip(at).find(|byte| byte.is_ascii_hexdigit());
        if let Some(digit) = digit {
            *digit = if by < 128 {
                digit.wrapping_add(1)
            } else {
                b"0123456789aF"[usize::from(by % 12)]
            };
        }
        Some(())
    }

    fn flip_case(&mut self, at: usize) {
        if let Some(letter) = self.bytes.iter_mut().skip(at).find(|b| b.is_ascii_alphabetic()) {
            *letter ^= 0x20;
        }
    }

    /// The line that `at` is in, its end included.
    fn line(&self, at: usize) -> std::ops::Range<usize> {
        let at = at.min(self.bytes.len());
        let begin =
            self.bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |n| n + 1);
        let end = self.bytes[at..].iter().position(|byte| *byte == b'\n');
        begin..end.map_or(self.bytes.len(), |length| at + length + 1)
    }

    fn put_line(&mut self, at: usize, new: &[u8]) {
        let line = self.line(at);
        self.put(line.start, line.len(), new);
    }

    fn double_line(&mut self, at: usize) {
        let line = self.line(at);
        let text = self.bytes[line.clone()].to_vec();
        self.put(line.end, 0, &text);
    }

    fn move_line(&mut self, at: usize) -> Option<()> {
        let line = self.line(at);
        let text: Vec<u8> = self.bytes.drain(line).collect();
        let to = self.below(self.bytes.len() + 1)?;
        let to = self.line(to).start;
        self.put(to, 0, &text);
        Some(())
    }
}

#[test]
fn the_same_choices_make_the_same_changes_and_none_makes_none() {
    let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(mutated(text, &WORDS, std::iter::empty()), text);
    let mut rng = fastrand::Rng::with_seed(7);
    let mut differing = 0;
    for _ in 0..1000 {
        let choices: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(40).collect();
        let once = mutated(text, &WORDS, choices.iter().copied());
        assert_eq!(once, mutated(text, &WORDS, choices.iter().copied()));
        differing += usize::from(once != text);
    }
    assert!(differing > 900, "{differing}");
}
