//! Where in a JSON text does the value of a link stand? Read byte by byte.
//!
//! **Invariant:** state of a fixed size. Whatever the bytes are, each is read once; from the
//! first on that no JSON text can have there, or that opens a 129th level, nothing is a link.
//! Words and numbers are not looked into.

/// The most levels that are read; the API's answers have four.
const MOST_LEVELS: usize = 128;

/// What an open object or list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// The object of the top level: a resource, or a page of them.
    Top,
    /// A list in it.
    List,
    /// An object of such a list.
    Item,
    /// What `links` is in a resource.
    Links,
    /// What `meta` is in a page.
    Meta,
    /// Any other object.
    Object,
    /// Any other list.
    Array,
}

impl Frame {
    const fn is_list(self) -> bool {
        matches!(self, Self::List | Self::Array)
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Before a value; behind `[` the list may also end.
    Value { may_end: bool },
    /// Before a key; behind `{` the object may also end.
    Key { may_end: bool },
    /// Behind a key.
    Colon,
    /// Behind a value.
    Behind,
    /// In a number, or in `true`, `false` or `null`.
    Word,
    /// Between two quotes.
    Text(Text, Escape),
    /// Behind what is no JSON.
    Lost,
}

#[derive(Clone, Copy, Debug)]
enum Text {
    Key,
    Link,
    Other,
}

#[derive(Clone, Copy, Debug)]
enum Escape {
    /// In none.
    No,
    /// Behind a backslash.
    Begun,
    /// Behind `\u` and so many digits.
    Hex { digits: u8, code: u16 },
}

/// What a byte was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Byte {
    /// Nothing of a link.
    Other,
    /// The quote before a link's value.
    Begin,
    /// Inside a character of a link that is escaped.
    Inside,
    /// The last of a link's character, which is this one; of what is not ASCII, something that
    /// is not ASCII.
    Character(u8),
    /// The quote behind a link's value.
    End,
    /// The first that no JSON text can have there.
    Foreign,
}

/// What is not ASCII, as a byte.
const NOT_ASCII: u8 = 0xff;

/// Reads one text.
#[derive(Debug)]
pub(super) struct Reader {
    state: State,
    frames: [Frame; MOST_LEVELS],
    open: usize,
    key: Key,
}

impl Reader {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Value { may_end: false },
            frames: [Frame::Object; MOST_LEVELS],
            open: 0,
            key: Key::NONE,
        }
    }

    /// How many of the next bytes need not be read, as nothing comes of them.
    pub(super) fn idle(&self, next: &[u8]) -> usize {
        match self.state {
            State::Text(Text::Other, Escape::No) => {
                let tells = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
                next.iter().position(tells).unwrap_or(next.len())
            }
            State::Lost => next.len(),
            State::Text(..)
            | State::Value { .. }
            | State::Key { .. }
            | State::Colon
            | State::Behind
            | State::Word => 0,
        }
    }

    /// What is left of the link's value is of no interest.
    pub(super) const fn leave_link(&mut self) {
        if let State::Text(text @ Text::Link, _) = &mut self.state {
            *text = Text::Other;
        }
    }

    /// Reads the next byte.
    pub(super) fn read(&mut self, byte: u8) -> Byte {
        match self.state {
            State::Text(text, escape) => self.read_text(text, escape, byte),
            State::Lost => Byte::Other,
            State::Word if is_word(byte) => Byte::Other,
            _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => {
                if matches!(self.state, State::Word) {
                    self.state = State::Behind;
                }
                Byte::Other
            }
            State::Value { may_end } => self.read_value(may_end, byte),
            State::Key { .. } if byte == b'"' => {
                self.key = Key::NONE;
                self.begin_text(Text::Key)
            }
            State::Key { may_end: true } if byte == b'}' => self.close(),
            State::Colon if byte == b':' => self.go(State::Value { may_end: false }),
            State::Behind | State::Word => self.read_behind(byte),
            State::Key { .. } | State::Colon => self.lose(),
        }
    }

    fn read_value(&mut self, may_end: bool, byte: u8) -> Byte {
        match byte {
            b'"' if self.is_link() => {
                self.begin_text(Text::Link);
                Byte::Begin
            }
            b'"' => self.begin_text(Text::Other),
            b'{' => self.open(self.object(), State::Key { may_end: true }),
            b'[' => self.open(self.list(), State::Value { may_end: true }),
            b']' if may_end => self.close(),
            byte if is_word(byte) => self.go(State::Word),
            _ => self.lose(),
        }
    }

    fn read_behind(&mut self, byte: u8) -> Byte {
        let Some(frame) = self.frame() else { return self.lose() };
        match (byte, frame.is_list()) {
            (b',', true) => self.go(State::Value { may_end: false }),
            (b',', false) => self.go(State::Key { may_end: false }),
            (b']', true) | (b'}', false) => self.close(),
            _ => self.lose(),
        }
    }

    fn read_text(&mut self, text: Text, escape: Escape, byte: u8) -> Byte {
        let whole = match (escape, byte) {
            (Escape::No, b'"') => return self.end_text(text),
            (Escape::No, b'\\') => return self.escaped(text, Escape::Begun),
            (Escape::No, ..0x20) => return self.lose(),
            (Escape::No, byte) => Some(byte),
            (Escape::Begun, b'u') => {
                return self.escaped(text, Escape::Hex { digits: 0, code: 0 });
            }
            (Escape::Begun, byte) => escaped_by(byte),
            (Escape::Hex { digits, code }, byte) => {
                let Some(digit) = hex(byte) else { return self.lose() };
                let code = (code << 4) | digit;
                if digits < 3 {
                    let digits = digits.saturating_add(1);
                    return self.escaped(text, Escape::Hex { digits, code });
                }
                Some(u8::try_from(code).ok().filter(u8::is_ascii).unwrap_or(NOT_ASCII))
            }
        };
        let Some(character) = whole else { return self.lose() };
        self.state = State::Text(text, Escape::No);
        match text {
            Text::Key => self.key.push(character),
            Text::Link => return Byte::Character(character),
            Text::Other => {}
        }
        Byte::Other
    }

    fn end_text(&mut self, text: Text) -> Byte {
        match text {
            Text::Key => self.go(State::Colon),
            Text::Other => self.go(State::Behind),
            Text::Link => {
                self.state = State::Behind;
                Byte::End
            }
        }
    }

    fn begin_text(&mut self, text: Text) -> Byte {
        self.go(State::Text(text, Escape::No))
    }

    fn escaped(&mut self, text: Text, escape: Escape) -> Byte {
        self.state = State::Text(text, escape);
        if matches!(text, Text::Link) { Byte::Inside } else { Byte::Other }
    }

    fn go(&mut self, state: State) -> Byte {
        self.state = state;
        Byte::Other
    }

    fn lose(&mut self) -> Byte {
        self.state = State::Lost;
        Byte::Foreign
    }

    fn open(&mut self, frame: Frame, state: State) -> Byte {
        let Some(place) = self.frames.get_mut(self.open) else { return self.lose() };
        *place = frame;
        self.open = self.open.saturating_add(1);
        self.go(state)
    }

    fn close(&mut self) -> Byte {
        self.open = self.open.saturating_sub(1);
        self.go(State::Behind)
    }

    /// The innermost that is open; none at the top.
    fn frame(&self) -> Option<Frame> {
        self.open.checked_sub(1).and_then(|last| self.frames.get(last)).copied()
    }

    /// What an object that opens here is.
    fn object(&self) -> Frame {
        match self.frame() {
            None => Frame::Top,
            Some(Frame::Top | Frame::Item) if self.key.is(b"links") => Frame::Links,
            Some(Frame::Top) if self.key.is(b"meta") => Frame::Meta,
            Some(Frame::List) => Frame::Item,
            Some(_) => Frame::Object,
        }
    }

    /// What a list that opens here is.
    fn list(&self) -> Frame {
        if self.frame() == Some(Frame::Top) { Frame::List } else { Frame::Array }
    }

    /// Whether a text that begins here is a link.
    fn is_link(&self) -> bool {
        match self.frame() {
            Some(Frame::Top | Frame::Item) => self.key.is(b"url"),
            Some(Frame::Meta) => self.key.is(b"url") || self.key.ends_with(b"_page_url"),
            Some(Frame::Links) => true,
            Some(Frame::List | Frame::Object | Frame::Array) | None => false,
        }
    }
}

/// A key, as much of it as is told apart: its end and its length.
#[derive(Clone, Copy, Debug)]
struct Key {
    end: [u8; 9],
    length: usize,
}

impl Key {
    const NONE: Self = Self { end: [0; 9], length: 0 };

    fn push(&mut self, character: u8) {
        self.end.rotate_left(1);
        if let Some(last) = self.end.last_mut() {
            *last = character;
        }
        self.length = self.length.saturating_add(1);
    }

    /// `name` has at most 9 characters, as in the next.
    fn is(&self, name: &[u8]) -> bool {
        self.length == name.len() && self.ends_with(name)
    }

    fn ends_with(&self, end: &[u8]) -> bool {
        self.length >= end.len() && self.end.ends_with(end)
    }
}

const fn is_word(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.')
}

/// What a backslash and this byte stand for (RFC 8259 §7).
const fn escaped_by(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' | b'/' => Some(byte),
        b'b' => Some(8),
        b'f' => Some(12),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        _ => None,
    }
}

fn hex(byte: u8) -> Option<u16> {
    char::from(byte).to_digit(16).and_then(|digit| u16::try_from(digit).ok())
}
