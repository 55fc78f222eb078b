//! What do variables and flags say? They are laid over the file's tree before it is checked.

use std::sync::Arc;

use serde_yaml::Mapping;
use serde_yaml::Value;

use crate::config::Flags;
use crate::config::document;
use crate::config::error::Place;
use crate::config::notes::At;
use crate::config::notes::Note;
use crate::config::notes::Notes;
use crate::config::path::KeyPath;
use crate::config::path::Segment;
use crate::policy::rate::SetBy;
use crate::sid::Sid;

/// What the names of all variables begin with.
const PREFIX: &str = "MASKGATE_";
/// Variables that are no configuration: the file's name, what a tested command is told, and what
/// replays a random test.
const RESERVED: [&str; 4] =
    ["MASKGATE_CONFIG", "MASKGATE_URL", "MASKGATE_ADMIN_URL", "MASKGATE_SEED"];

/// Who says it, if not the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The environment variable of this name.
    Variable(Arc<str>),
    /// This flag.
    Flag(&'static str),
}

impl Source {
    pub(crate) fn place(&self) -> Place {
        match self {
            Self::Variable(name) => Place::Variable(Arc::clone(name)),
            Self::Flag(name) => Place::Flag(name),
        }
    }

    /// How a limit set by this source is named; no flag sets one.
    pub(crate) fn set_by(&self) -> SetBy {
        match self {
            Self::Variable(name) => SetBy::Variable(Arc::clone(name)),
            Self::Flag(name) => SetBy::Variable(Arc::from(*name)),
        }
    }
}

/// A value for a key, and who gives it.
struct Given {
    path: KeyPath,
    value: Value,
    source: Source,
}

/// Which values do not come from the file.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    laid: Vec<(KeyPath, Source)>,
}

impl Overlay {
    /// Lays variables, and flags over them, into `tree`. Each takes the place of the whole
    /// value at its key.
    pub(crate) fn lay(
        variables: &[(String, String)],
        flags: &Flags,
        tree: &mut Value,
        notes: &mut Notes,
    ) -> Self {
        let mut overlay = Self::default();
        let mut named: Vec<_> = variables
            .iter()
            .filter(|(_, text)| !text.trim().is_empty())
            .filter_map(|(name, text)| Some((key_path(name)?, name, text)))
            .collect();
        // A variable for a whole section comes before those for keys of it.
        named.sort_by_key(|(path, name, _)| (path.segments().len(), *name));
        for (path, name, text) in named {
            let source = Source::Variable(Arc::from(name.as_str()));
            let (value, odd) = document::read_value(text);
            for note in odd {
                notes.add(note.given_by(&source, &path));
            }
            if let Some((_, other)) = overlay.laid.iter().find(|(laid, _)| *laid == path) {
                let message = format!("{} sets the same key", other.place());
                let help = "unset one of the two".to_owned();
                notes.add(Note::new(At::Given { source, path }, message, help));
                continue;
            }
            overlay.set(tree, Given { path, value, source }, notes);
        }
        for (path, value, flag) in flags.given() {
            let (path, source) = (KeyPath::of(path), Source::Flag(flag));
            overlay.set(tree, Given { path, value, source }, notes);
        }
        overlay
    }

    fn set(&mut self, tree: &mut Value, given: Given, notes: &mut Notes) {
        let Given { path, value, source } = given;
        match place_for(tree, &path) {
            Ok(place) => {
                *place = value;
                self.laid.push((path, source));
            }
            // The file is no mapping at all, and is refused for it.
            Err(above) if above.segments().is_empty() => {}
            Err(above) => {
                let message = format!("`{above}` has no keys of its own");
                let help = format!("set {PREFIX}{} as a whole", variable_of(&above));
                notes.add(Note::new(At::Given { source, path }, message, help));
            }
        }
    }

    /// Who gave the value at `path`, if not the file.
    pub(crate) fn over(&self, path: &KeyPath) -> Option<&Source> {
        let above = self.laid.iter().filter(|(laid, _)| path.starts_with(laid));
        above.max_by_key(|(laid, _)| laid.segments().len()).map(|(_, source)| source)
    }

    /// Who gave something below `path`.
    pub(crate) fn below(&self, path: &KeyPath) -> impl Iterator<Item = &Source> {
        self.laid.iter().filter(|(laid, _)| laid.starts_with(path)).map(|(_, source)| source)
    }
}

/// The key that a variable names; none for a variable that is not of the configuration.
fn key_path(name: &str) -> Option<KeyPath> {
    let rest = name.strip_prefix(PREFIX)?;
    if RESERVED.contains(&name) || is_service_link(rest) {
        return None;
    }
    // SIDs are keys of `accounts`, and their two letters are upper case.
    let key = |part: &str| match Sid::parse(part) {
        Some(_) => part.to_owned(),
        None => part.to_lowercase(),
    };
    Some(KeyPath::from_keys(rest.split("__").map(key)))
}

/// The name that a variable for `path` has, without its prefix.
fn variable_of(path: &KeyPath) -> String {
    let keys = path.segments().iter().filter_map(|segment| match segment {
        Segment::Key(key) => Some(key.to_uppercase()),
        Segment::Index(_) => None,
    });
    keys.collect::<Vec<_>>().join("__")
}

/// Kubernetes gives every container of a namespace variables for each service there; those of
/// a service called `maskgate` or `maskgate-admin` look like ours.
fn is_service_link(rest: &str) -> bool {
    let name = format!("_{rest}");
    let port_of_protocol = name.rsplit_once("_PORT_").is_some_and(|(_, port)| {
        let (number, protocol) = port.split_once('_').unwrap_or((port, ""));
        let protocol = protocol.split('_').next().unwrap_or_default();
        let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        is_number && matches!(protocol, "TCP" | "UDP" | "SCTP")
    });
    let is_address =
        ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"].iter().any(|end| name.ends_with(end));
    let is_part =
        ["_TCP_PORT", "_UDP_PORT", "_SCTP_PORT"].iter().any(|end| name.ends_with(end));
    port_of_protocol || is_address || is_part || name.contains("_SERVICE_PORT_")
}

/// The value at `path`, made where there is none; else the path of what has no keys.
fn place_for<'a>(tree: &'a mut Value, path: &KeyPath) -> Result<&'a mut Value, KeyPath> {
    let mut place = tree;
    let mut above = KeyPath::default();
    for segment in path.segments() {
        if place.is_null() {
            *place = Value::Mapping(Mapping::new());
        }
        let (Value::Mapping(mapping), Segment::Key(key)) = (place, segment) else {
            return Err(above);
        };
        place = mapping.entry(Value::String(key.clone())).or_insert(Value::Null);
        above.push(segment.clone());
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::Overlay;
    use super::key_path;
    use crate::config::Flags;
    use crate::config::notes::Notes;
    use crate::config::path::KeyPath;
    use serde_yaml::Value;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect()
    }

    #[test]
    fn variables_of_other_things_are_left_alone() {
        for name in [
            "PATH",
            "MASKGATE",
            "MASKGATE_CONFIG",
            "MASKGATE_URL",
            "MASKGATE_ADMIN_URL",
            "MASKGATE_SEED",
            "MASKGATE_SERVICE_HOST",
            "MASKGATE_SERVICE_PORT",
            "MASKGATE_SERVICE_PORT_HTTP",
            "MASKGATE_PORT",
            "MASKGATE_PORT_8080_TCP",
            "MASKGATE_PORT_8080_TCP_ADDR",
            "MASKGATE_PORT_8080_TCP_PORT",
            "MASKGATE_ADMIN_PORT_9091_TCP_PROTO",
        ] {
            assert_eq!(key_path(name), None, "{name}");
        }
        let path = key_path("MASKGATE_LIMITS__MAX_KEYS");
        assert_eq!(path, Some(KeyPath::of("limits.max_keys")));
    }

    #[test]
    fn the_nearest_variable_is_named_whatever_their_order() {
        let variables = variables(&[
            ("MASKGATE_LIMITS__RATE__WINDOW", "5s"),
            ("MASKGATE_LIMITS__RATE", "{burst: 2}"),
        ]);
        let mut tree = Value::Null;
        let mut notes = Notes::default();
        let overlay = Overlay::lay(&variables, &Flags::default(), &mut tree, &mut notes);
        let expected: Value =
            serde_yaml::from_str("limits: {rate: {burst: 2, window: 5s}}").unwrap();
        assert_eq!(tree, expected);
        let source = |path| overlay.over(&KeyPath::of(path)).unwrap().set_by().to_string();
        assert_eq!(source("limits.rate.burst"), "MASKGATE_LIMITS__RATE");
        assert_eq!(source("limits.rate.window"), "MASKGATE_LIMITS__RATE__WINDOW");
        assert_eq!(notes.count(), 0);
    }

    #[test]
    fn an_empty_variable_says_nothing_and_one_that_is_no_yaml_is_text() {
        let variables = variables(&[("MASKGATE_A", " "), ("MASKGATE_B", "[::1]:80")]);
        let mut tree = Value::Null;
        Overlay::lay(&variables, &Flags::default(), &mut tree, &mut Notes::default());
        let expected: Value = serde_yaml::from_str("b: '[::1]:80'").unwrap();
        assert_eq!(tree, expected);
    }
}
