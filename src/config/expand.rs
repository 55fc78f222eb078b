//! Which values stand in the environment? `${NAME}` in a value becomes what the variable of that
//! name says, or what stands behind `:-` where it says nothing.
//!
//! **Invariant:** what a variable says is never told: a mistake in it is told by its name. A value is
//! filled in after the YAML is read, so a variable adds no keys and no lines.

use serde_yaml::Value;

use crate::config::document;
use crate::config::notes::At;
use crate::config::notes::Note;
use crate::config::notes::Notes;
use crate::config::path::KeyPath;
use crate::config::path::Segment;
use crate::config::peel;

/// How many bytes variables may fill in altogether.
const MOST_FILLED: usize = 1024 * 1024;
/// So many characters of a secret in a row tell of it; of a shorter one, all of them. What has fewer
/// than three is none.
const TELLING: usize = 6;
const NO_SECRET: usize = 3;

/// Which values come out of variables.
#[derive(Debug, Default)]
pub(crate) struct Expanded(Vec<Filled>);

/// One of them.
#[derive(Debug)]
struct Filled {
    path: KeyPath,
    /// As it stands in the file, such as `${PORT}`.
    written: String,
    /// How the value is told in a message.
    described: String,
    /// What the variables said, where that is text.
    secrets: Vec<String>,
}

/// A piece of a value.
enum Piece<'t> {
    Text(&'t str),
    Variable { name: &'t str, otherwise: Option<&'t str> },
}

impl Expanded {
    /// Fills in the values of `tree` that name variables.
    pub(crate) fn fill(
        tree: &mut Value,
        variables: &[(String, String)],
        notes: &mut Notes,
    ) -> Self {
        let mut filling =
            Filling { variables, notes, path: KeyPath::default(), left: MOST_FILLED };
        let mut expanded = Self::default();
        filling.walk(tree, &mut expanded.0);
        expanded
    }

    /// What is said of the value at `path`, without what a variable says.
    pub(crate) fn hide(&self, path: &KeyPath, text: &str) -> String {
        let mut hidden = text.to_owned();
        for Filled { written, described, secrets, .. } in self.meant(path) {
            if let Some(rest) = hidden.strip_prefix(described.as_str()) {
                hidden = format!("`{written}`{rest}");
            }
            if secrets.iter().any(|secret| tells(&hidden, secret)) {
                hidden = format!("what `{written}` says cannot be used here");
            }
        }
        hidden
    }

    /// How to put it right, unless that tells what a variable says.
    pub(crate) fn help<'t>(&self, path: &KeyPath, text: &'t str) -> &'t str {
        let mut secrets = self.meant(path).flat_map(|filled| &filled.secrets);
        if secrets.any(|secret| tells(text, secret)) { "" } else { text }
    }

    /// What was filled in at, above or below `path`.
    fn meant(&self, path: &KeyPath) -> impl Iterator<Item = &Filled> {
        self.0.iter().filter(move |filled| {
            filled.path.starts_with(path) || path.starts_with(&filled.path)
        })
    }
}

/// Whether `text` has a telling part of `secret`.
fn tells(text: &str, secret: &str) -> bool {
    let secret: Vec<char> = secret.chars().collect();
    let length = secret.len().min(TELLING);
    let part = |part: &[char]| text.contains(&part.iter().collect::<String>());
    length >= NO_SECRET && secret.windows(length).any(part)
}

struct Filling<'a> {
    variables: &'a [(String, String)],
    notes: &'a mut Notes,
    path: KeyPath,
    left: usize,
}

impl Filling<'_> {
    fn walk(&mut self, value: &mut Value, filled: &mut Vec<Filled>) {
        match value {
            Value::Mapping(mapping) => {
                for (key, below) in mapping.iter_mut() {
                    let key = key.as_str().unwrap_or_default().to_owned();
                    self.path.push(Segment::Key(key));
                    self.walk(below, filled);
                    self.path.pop();
                }
            }
            Value::Sequence(list) => {
                for (index, below) in list.iter_mut().enumerate() {
                    self.path.push(Segment::Index(index));
                    self.walk(below, filled);
                    self.path.pop();
                }
            }
            Value::String(text) if text.contains("${") => {
                let Some((new, one)) = self.filled(text) else {
                    // As if it were left out: nothing more is said of it.
                    *value = Value::Null;
                    return;
                };
                *value = new;
                filled.push(one);
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Tagged(_) => {}
        }
    }

    /// The value that `text` stands for; what is wrong with it is noted.
    fn filled(&mut self, text: &str) -> Option<(Value, Filled)> {
        let pieces = match pieces(text) {
            Ok(pieces) => pieces,
            Err(rest) => {
                let message = format!("{} does not name a variable", peel::quoted(rest));
                self.refuse(
                    message,
                    "write `${NAME}` or `${NAME:-DEFAULT}`; `$${` for the text `${`",
                );
                return None;
            }
        };
        let (mut whole, mut secrets) = (String::new(), Vec::new());
        let is_one = matches!(pieces.as_slice(), [Piece::Variable { .. }]);
        for piece in pieces {
            let said = match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Variable { name, otherwise } => {
                    let said = self.said(name).map(str::to_owned);
                    secrets.extend(said.clone());
                    let Some(said) = said.or_else(|| otherwise.map(str::to_owned)) else {
                        let help = format!("set it, or write `${{{name}:-DEFAULT}}`");
                        self.refuse(format!("the variable `{name}` says nothing"), &help);
                        return None;
                    };
                    said
                }
            };
            let Some(left) = self.left.checked_sub(said.len()) else {
                self.refuse("variables say more than 1 MiB in all".to_owned(), "");
                return None;
            };
            self.left = left;
            whole.push_str(&said);
        }
        let value = if is_one { read(&whole) } else { Value::String(whole) };
        if !matches!(value, Value::String(_) | Value::Sequence(_)) {
            // A number is told by no part of it.
            secrets.clear();
        }
        let (path, written) = (self.path.clone(), text.to_owned());
        let described = peel::described(Some(&value));
        Some((value, Filled { path, written, described, secrets }))
    }

    /// What a variable says; one that is empty says nothing.
    fn said(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(each, _)| each == name);
        found.map(|(_, said)| said.as_str()).filter(|said| !said.is_empty())
    }

    fn refuse(&mut self, message: String, help: &str) {
        let at = At::Value(self.path.clone());
        self.notes.refuse(Note::new(at, message, help.to_owned()));
    }
}

/// A value that is nothing but a variable may be a number, a yes or no, or a list; the rest is text.
fn read(text: &str) -> Value {
    match document::read_value(text) {
        (
            value @ (Value::Bool(_) | Value::Number(_) | Value::Sequence(_) | Value::Null),
            odd,
        ) if odd.is_empty() => value,
        _ => Value::String(text.to_owned()),
    }
}

/// The pieces of `text`, or what of it begins like a variable and is none.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, &str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        if let Some(before) = before.strip_suffix('$') {
            pieces.push(Piece::Text(before));
            pieces.push(Piece::Text("${"));
            rest = from.strip_prefix("${").unwrap_or_default();
            continue;
        }
        pieces.push(Piece::Text(before));
        let (inside, after) =
            from.strip_prefix("${").and_then(|from| from.split_once('}')).ok_or(from)?;
        let (name, otherwise) = match inside.split_once(":-") {
            Some((name, otherwise)) => (name, Some(otherwise)),
            None => (inside, None),
        };
        if !is_name(name) {
            return Err(from);
        }
        pieces.push(Piece::Variable { name, otherwise });
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| !matches!(piece, Piece::Text("")));
    Ok(pieces)
}

fn is_name(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(is_letter) && text.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::Expanded;
    use crate::config::notes::Notes;
    use crate::config::path::KeyPath;
    use serde_yaml::Value;

    fn variables() -> Vec<(String, String)> {
        let pairs = [
            ("PORT", "9000"),
            ("HOST", "backend.internal"),
            ("URLS", "[http://a:1, http://b:2]"),
            ("EMPTY", ""),
            ("SECRET", "correct-horse"),
            ("ODD", "a: {b: c}"),
        ];
        pairs.map(|(name, said)| (name.to_owned(), said.to_owned())).to_vec()
    }

    /// The value that `text` becomes, or how many things are wrong with it.
    fn filled(text: &str) -> Result<Value, usize> {
        let mut tree = Value::String(text.to_owned());
        let mut notes = Notes::default();
        Expanded::fill(&mut tree, &variables(), &mut notes);
        if notes.count() == 0 { Ok(tree) } else { Err(notes.count()) }
    }

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    #[test]
    fn a_variable_alone_may_be_a_number_or_a_list_and_within_text_it_is_text() {
        assert_eq!(filled("${PORT}"), Ok(Value::from(9000)));
        assert_eq!(filled("http://${HOST}:${PORT}"), Ok(text("http://backend.internal:9000")));
        assert_eq!(
            filled("${URLS}").map(|value| value.as_sequence().map(Vec::len)),
            Ok(Some(2))
        );
        assert_eq!(filled("${ODD}"), Ok(text("a: {b: c}")));
    }

    #[test]
    fn what_says_nothing_has_a_default_or_is_a_mistake() {
        assert_eq!(filled("${NOBODY:-8}"), Ok(Value::from(8)));
        assert_eq!(filled("${EMPTY:-x}"), Ok(text("x")));
        assert_eq!(filled("${PORT:-8}"), Ok(Value::from(9000)));
        assert_eq!(filled("a${NOBODY:-}b"), Ok(text("ab")));
        for wrong in ["${NOBODY}", "${EMPTY}", "${}", "${A-B}", "${1}", "${HOST", "a${ HOST}"] {
            assert_eq!(filled(wrong), Err(1), "{wrong}");
        }
    }

    #[test]
    fn a_doubled_dollar_and_a_dollar_alone_are_themselves() {
        assert_eq!(filled("a$${HOST}b"), Ok(text("a${HOST}b")));
        assert_eq!(filled("5$ $HOST"), Ok(text("5$ $HOST")));
    }

    #[test]
    fn what_a_variable_says_is_not_told() {
        let mut tree: Value =
            serde_yaml::from_str("a: ['${SECRET}', 'x${SECRET}']\nb: ${PORT}\n").unwrap();
        let expanded = Expanded::fill(&mut tree, &variables(), &mut Notes::default());
        let one = KeyPath::of("a").index(0);
        let hidden = expanded.hide(&one, "\"correct-horse\" is not a duration");
        assert_eq!(hidden, "`${SECRET}` is not a duration");
        let hidden = expanded.hide(&KeyPath::of("a").index(1), "`correct-` has no place here");
        assert_eq!(hidden, "what `x${SECRET}` says cannot be used here");
        let hidden =
            expanded.hide(&KeyPath::of("b"), "9000 is too large for a number of workers");
        assert_eq!(hidden, "`${PORT}` is too large for a number of workers");
        let other = KeyPath::of("c");
        assert_eq!(expanded.hide(&other, "9000 is not a size"), "9000 is not a size");
    }
}
