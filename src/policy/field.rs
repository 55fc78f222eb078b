//! What may a field hold? The table of the API's own lengths and ranges, and additions to it.

use std::borrow::Cow;
use std::fmt;

use crate::policy::endpoint::Endpoint;

/// What one field of one operation may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRule {
    /// The operation whose form carries the field.
    pub endpoint: Endpoint,
    /// The field's name, compared exactly: the API's names are case-sensitive.
    pub name: Cow<'static, str>,
    /// What is checked.
    pub check: Check,
}

/// How a value is judged, after percent- and UTF-8 decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// At most this many Unicode scalar values.
    MaxChars(usize),
    /// At most this many bytes of UTF-8.
    MaxBytes(usize),
    /// Digits only, strictly between the two.
    Between {
        /// The value must be greater.
        low: u64,
        /// The value must be less.
        high: u64,
    },
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxChars(max) => write!(f, "at most {max} characters"),
            Self::MaxBytes(max) => write!(f, "at most {max} bytes"),
            Self::Between { low, high } => {
                write!(f, "a whole number greater than {low} and less than {high}")
            }
        }
    }
}

/// The rules of every operation.
#[derive(Clone, Debug)]
pub struct FieldTable {
    of_endpoint: Vec<Vec<FieldRule>>,
}

impl FieldTable {
    /// The nine rows of the limits page, on every operation that carries the field.
    pub fn builtin() -> Self {
        let mut table = Self { of_endpoint: vec![Vec::new(); Endpoint::COUNT] };
        for &(endpoint, name, check) in BUILTIN {
            table.set(FieldRule { endpoint, name: Cow::Borrowed(name), check });
        }
        table
    }

    /// Adds a rule; it takes the place of the one for the same field of the same operation.
    pub fn set(&mut self, rule: FieldRule) {
        let Some(rules) = self.of_endpoint.get_mut(rule.endpoint.index()) else { return };
        match rules.iter_mut().find(|old| old.name == rule.name) {
            Some(old) => *old = rule,
            None => rules.push(rule),
        }
    }

    /// The rules of one operation. Those of `CreateParticipant` also hold for each object in
    /// `Participants` of `CreateSession`.
    pub fn of(&self, endpoint: Endpoint) -> &[FieldRule] {
        self.of_endpoint.get(endpoint.index()).map_or(&[], Vec::as_slice)
    }

    /// Every rule, by operation.
    pub fn iter(&self) -> impl Iterator<Item = &FieldRule> {
        self.of_endpoint.iter().flatten()
    }
}

const UNIQUE_NAME: Check = Check::MaxChars(191);
const URL: Check = Check::MaxChars(4000);
const TTL: Check = Check::Between { low: 0, high: 2_147_483_647 };

/// Source: the table "Resource | Field | Maximum length / Size" of the limits page.
const BUILTIN: &[(Endpoint, &str, Check)] = &[
    (Endpoint::CreateService, "UniqueName", UNIQUE_NAME),
    (Endpoint::CreateService, "CallbackUrl", URL),
    (Endpoint::CreateService, "InterceptCallbackUrl", URL),
    (Endpoint::CreateService, "OutOfSessionCallbackUrl", URL),
    (Endpoint::UpdateService, "UniqueName", UNIQUE_NAME),
    (Endpoint::UpdateService, "CallbackUrl", URL),
    (Endpoint::UpdateService, "InterceptCallbackUrl", URL),
    (Endpoint::UpdateService, "OutOfSessionCallbackUrl", URL),
    (Endpoint::CreateSession, "UniqueName", UNIQUE_NAME),
    (Endpoint::CreateSession, "Ttl", TTL),
    (Endpoint::UpdateSession, "Ttl", TTL),
    (Endpoint::CreateParticipant, "FriendlyName", Check::MaxChars(255)),
    (Endpoint::CreateParticipant, "Identifier", Check::MaxChars(191)),
    (Endpoint::CreateParticipant, "ProxyIdentifier", Check::MaxChars(255)),
];

#[cfg(test)]
mod tests {
    use super::Check;
    use super::FieldRule;
    use super::FieldTable;
    use crate::policy::endpoint::Endpoint;

    #[test]
    fn an_added_rule_takes_the_place_of_the_same_fields_rule() {
        let mut table = FieldTable::builtin();
        let before = table.iter().count();
        let rule = FieldRule {
            endpoint: Endpoint::CreateSession,
            name: "Ttl".into(),
            check: Check::MaxChars(3),
        };
        table.set(rule.clone());
        table.set(FieldRule { endpoint: Endpoint::CreateMessageInteraction, ..rule.clone() });
        assert!(table.of(Endpoint::CreateSession).contains(&rule));
        assert_eq!(table.iter().count(), before + 1);
    }
}
