//! Is it YAML at all? The bytes of a file become a text and a tree.

use serde_yaml::Deserializer;
use serde_yaml::Value;

use crate::config::locate;
use crate::config::locate::Spot;
use crate::config::notes::At;
use crate::config::notes::Note;
use crate::config::notes::Notes;
use crate::config::path::KeyPath;
use crate::config::tree;

/// The most bytes that a configuration file may have.
pub const MAX_FILE: usize = 256 * 1024;
/// More brackets open at once are refused unread: the YAML scanner's time grows with their
/// square, and 128 levels are all that it takes in the end.
const MAX_OPEN: usize = 1_000;

/// A file's text, and the tree that it makes.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) text: String,
    /// None where the text is no YAML.
    pub(crate) tree: Option<Value>,
}

impl Document {
    /// Reads a file. Where it is no YAML, the tree is empty and the search is broken off.
    pub(crate) fn read(bytes: &[u8], notes: &mut Notes) -> Self {
        if bytes.len() > MAX_FILE {
            let help = "at most 256 KiB are read; leave something out";
            fatal(notes, At::File, "the file is too large", help);
            return Self { text: String::new(), tree: None };
        }
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let text = String::from_utf8_lossy(bytes).into_owned();
        if let Err(error) = str::from_utf8(bytes) {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let spot = Spot::after(&String::from_utf8_lossy(valid));
            fatal(
                notes,
                At::Spot(spot),
                "what begins here is not UTF-8",
                "save the file as UTF-8",
            );
            return Self { text, tree: None };
        }
        let tree = Self::tree(&text, notes);
        Self { text, tree }
    }

    fn tree(text: &str, notes: &mut Notes) -> Option<Value> {
        if let Err(refused) = guard(text) {
            fatal(notes, At::Spot(refused.spot), refused.message, refused.help);
            return None;
        }
        match read_first(text) {
            Ok((tree, odd)) => {
                for note in odd {
                    notes.add(note);
                }
                if let Some(spot) = locate::second_document(text) {
                    let message = "a second document begins here".to_owned();
                    let help = "leave out the line `---` above it, or what follows it";
                    notes.add(Note::new(At::Spot(spot), message, help.to_owned()));
                }
                Some(tree)
            }
            Err(error) => {
                let spot = Spot::of(&error);
                let (message, help) = syntax(text, spot, &error);
                fatal(notes, spot.map_or(At::File, At::Spot), &message, help);
                None
            }
        }
    }
}

/// Reads the value of a variable; what is no YAML is taken as text.
pub(crate) fn read_value(text: &str) -> (Value, Vec<Note>) {
    match guard(text).ok().and_then(|()| read_first(text).ok()) {
        Some(read) if locate::second_document(text).is_none() => read,
        Some(_) | None => (Value::String(text.to_owned()), Vec::new()),
    }
}

fn read_first(text: &str) -> Result<(Value, Vec<Note>), serde_yaml::Error> {
    match Deserializer::from_str(text).next() {
        Some(first) => tree::read(first),
        None => Ok((Value::Null, Vec::new())),
    }
}

fn fatal(notes: &mut Notes, at: At, message: &str, help: &str) {
    notes.add(Note::new(at, message.to_owned(), help.to_owned()));
    notes.hush(KeyPath::default());
}

struct Refused {
    spot: Spot,
    message: &'static str,
    help: &'static str,
}

/// Refuses what the YAML crate takes long for, or tells no place of.
fn guard(text: &str) -> Result<(), Refused> {
    let mut open: usize = 0;
    for (index, c) in text.char_indices() {
        let refused = |message, help| {
            let spot = Spot::after(text.get(..index).unwrap_or_default());
            Err(Refused { spot, message, help })
        };
        match c {
            '[' | '{' => open = open.saturating_add(1),
            ']' | '}' => open = open.saturating_sub(1),
            _ if is_forbidden(c) => {
                return refused("there is a control character here", "take it out");
            }
            _ => {}
        }
        if open > MAX_OPEN {
            return refused("brackets are nested too deeply", "close some of them");
        }
    }
    Ok(())
}

/// YAML 1.1 §5.1: what is not printable may not stand in a document.
fn is_forbidden(c: char) -> bool {
    let allowed = matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    !allowed && (c.is_control() || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}'))
}

/// What a mistake of syntax is most often caused by, for a part of the YAML crate's words.
const CAUSES: [(&str, &str); 8] = [
    ("cannot start any token", "put the value in quotes"),
    ("parsing a flow", "close the bracket that is open there"),
    ("quoted scalar", "close the quote that is open there"),
    ("mapping values", "indent as the lines around it, or put a value with a colon in quotes"),
    ("parsing a block", "indent as the lines around it"),
    ("repetition limit", "write out what its aliases repeat"),
    ("recursion limit", "at most 128 levels are read"),
    ("unknown anchor", "give the name to a value before it, as in `&name value`"),
];

/// The YAML crate's words on a mistake of syntax, its repetition of the place taken away, and
/// the likely cause.
fn syntax(text: &str, spot: Option<Spot>, error: &serde_yaml::Error) -> (String, &'static str) {
    let mut words = error.to_string();
    let mut line = "";
    if let Some(Spot { line: number, column }) = spot {
        words = words.replacen(&format!(" at line {number} column {column}"), "", 1);
        line = text.lines().nth(number.saturating_sub(1)).unwrap_or_default();
    }
    let has_tab = line.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t');
    let help = match CAUSES.iter().find(|(part, _)| words.contains(part)) {
        _ if has_tab => "indent with spaces: YAML allows no tab there",
        Some((_, help)) => help,
        None => "",
    };
    (format!("not YAML: {words}"), help)
}

impl Spot {
    /// The place that follows `text`.
    fn after(text: &str) -> Self {
        let line = text.matches('\n').count().saturating_add(1);
        let last = text.rsplit('\n').next().unwrap_or_default();
        Self { line, column: last.chars().count().saturating_add(1) }
    }
}
