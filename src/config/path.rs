//! Which key is meant? The way from the top of a configuration to one of its values.

use std::fmt;

use serde_yaml::Value;

/// One step of a [`KeyPath`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Into a mapping.
    Key(String),
    /// Into a list, counted from 0.
    Index(usize),
}

/// The keys and indexes that lead to a value, such as `limits.overrides[0].rate`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyPath(Vec<Segment>);

impl KeyPath {
    /// The path of these keys, written with dots between them.
    pub(crate) fn of(dotted: &str) -> Self {
        Self::from_keys(dotted.split('.'))
    }

    /// The path of these keys.
    pub(crate) fn from_keys<K: AsRef<str>>(keys: impl Iterator<Item = K>) -> Self {
        Self(keys.map(|key| Segment::Key(key.as_ref().to_owned())).collect())
    }

    /// The path to a key of the mapping at this path.
    pub(crate) fn key(&self, key: &str) -> Self {
        let mut path = self.clone();
        path.push(Segment::Key(key.to_owned()));
        path
    }

    /// The path to an entry of the list at this path.
    pub(crate) fn index(&self, index: usize) -> Self {
        let mut path = self.clone();
        path.push(Segment::Index(index));
        path
    }

    /// Goes one step down.
    pub(crate) fn push(&mut self, segment: Segment) {
        self.0.push(segment);
    }

    /// Goes one step up.
    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }

    /// The path followed by `rest`.
    pub(crate) fn join(&self, rest: &Self) -> Self {
        Self(self.0.iter().chain(&rest.0).cloned().collect())
    }

    /// The steps.
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The path one step up; none from the top.
    pub(crate) fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, parents)| Self(parents.to_vec()))
    }

    /// The last step, where it is a key.
    pub(crate) fn last_key(&self) -> Option<&str> {
        match self.0.last()? {
            Segment::Key(key) => Some(key),
            Segment::Index(_) => None,
        }
    }

    /// Whether this path is `above` or leads below it.
    pub(crate) fn starts_with(&self, above: &Self) -> bool {
        self.0.starts_with(&above.0)
    }

    /// The value at this path of `tree`.
    pub(crate) fn find<'a>(&self, tree: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(tree, |value, segment| match segment {
            Segment::Key(key) => value.as_mapping()?.get(key.as_str()),
            Segment::Index(index) => value.as_sequence()?.get(*index),
        })
    }

    /// The value at this path of `tree`, to be changed.
    pub(crate) fn find_mut<'a>(&self, tree: &'a mut Value) -> Option<&'a mut Value> {
        self.0.iter().try_fold(tree, |value, segment| match segment {
            Segment::Key(key) => value.as_mapping_mut()?.get_mut(key.as_str()),
            Segment::Index(index) => value.as_sequence_mut()?.get_mut(*index),
        })
    }
}

impl From<&serde_path_to_error::Path> for KeyPath {
    fn from(path: &serde_path_to_error::Path) -> Self {
        let segment = |segment: &serde_path_to_error::Segment| match segment {
            serde_path_to_error::Segment::Seq { index } => Some(Segment::Index(*index)),
            serde_path_to_error::Segment::Map { key } => Some(Segment::Key(key.clone())),
            serde_path_to_error::Segment::Enum { variant } => {
                Some(Segment::Key(variant.clone()))
            }
            serde_path_to_error::Segment::Unknown => None,
        };
        Self(path.iter().map_while(segment).collect())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(entry) => write!(f, "[{entry}]")?,
                Segment::Key(key) => {
                    if index > 0 {
                        f.write_str(".")?;
                    }
                    if is_plain(key) { f.write_str(key)? } else { write!(f, "{key:?}")? }
                }
            }
        }
        Ok(())
    }
}

fn is_plain(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !key.is_empty() && key.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::KeyPath;

    #[test]
    fn a_key_with_a_dot_in_it_is_written_in_quotes() {
        let path = KeyPath::of("limits.payload.fields").key("CreateSession.Ttl").index(2);
        assert_eq!(path.to_string(), r#"limits.payload.fields."CreateSession.Ttl"[2]"#);
        assert!(path.starts_with(&KeyPath::of("limits.payload")));
        assert!(!path.starts_with(&KeyPath::of("limits.rate")));
    }
}
