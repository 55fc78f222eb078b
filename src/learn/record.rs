//! What do the resources look like? Those fields of them that tell something.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error;
use serde::de::Visitor;

use crate::sid::Sid;

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page<'a, T> {
    #[serde(
        alias = "services",
        alias = "phone_numbers",
        alias = "short_codes",
        alias = "sessions",
        alias = "participants",
        alias = "interactions"
    )]
    pub(super) records: Vec<T>,
    #[serde(borrow)]
    pub(super) meta: Meta<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Meta<'a> {
    #[serde(borrow)]
    pub(super) next_page_url: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) previous_page_url: Option<Text<'a>>,
}

/// Whose a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) account: Sid,
    pub(super) service: Sid,
}

/// A resource that belongs to an account and a service.
pub(super) trait Record {
    fn owner(&self) -> Owner;
}

#[derive(Debug, Deserialize)]
pub(super) struct Service<'a> {
    #[serde(deserialize_with = "sid")]
    pub(super) sid: Sid,
    #[serde(deserialize_with = "sid")]
    account_sid: Sid,
    #[serde(borrow)]
    pub(super) unique_name: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Number {
    #[serde(deserialize_with = "sid")]
    pub(super) sid: Sid,
    #[serde(deserialize_with = "sid")]
    account_sid: Sid,
    #[serde(deserialize_with = "sid")]
    service_sid: Sid,
    pub(super) is_reserved: bool,
    #[serde(default)]
    pub(super) in_use: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Session<'a> {
    #[serde(deserialize_with = "sid")]
    pub(super) sid: Sid,
    #[serde(deserialize_with = "sid")]
    account_sid: Sid,
    #[serde(deserialize_with = "sid")]
    service_sid: Sid,
    #[serde(borrow)]
    pub(super) status: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Participant<'a> {
    #[serde(deserialize_with = "sid")]
    pub(super) sid: Sid,
    #[serde(deserialize_with = "sid")]
    account_sid: Sid,
    #[serde(deserialize_with = "sid")]
    service_sid: Sid,
    #[serde(deserialize_with = "sid")]
    pub(super) session_sid: Sid,
    #[serde(default, deserialize_with = "sid_or_null")]
    pub(super) proxy_identifier_sid: Option<Sid>,
    #[serde(borrow, default)]
    pub(super) date_deleted: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Interaction {
    #[serde(deserialize_with = "sid")]
    account_sid: Sid,
    #[serde(deserialize_with = "sid")]
    service_sid: Sid,
}

impl Record for Service<'_> {
    fn owner(&self) -> Owner {
        Owner { account: self.account_sid, service: self.sid }
    }
}

impl Record for Number {
    fn owner(&self) -> Owner {
        Owner { account: self.account_sid, service: self.service_sid }
    }
}

impl Record for Session<'_> {
    fn owner(&self) -> Owner {
        Owner { account: self.account_sid, service: self.service_sid }
    }
}

impl Record for Participant<'_> {
    fn owner(&self) -> Owner {
        Owner { account: self.account_sid, service: self.service_sid }
    }
}

impl Record for Interaction {
    fn owner(&self) -> Owner {
        Owner { account: self.account_sid, service: self.service_sid }
    }
}

/// A JSON string; borrowed where nothing had to be unescaped.
#[derive(Debug, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

fn sid<'de, D: Deserializer<'de>>(reader: D) -> Result<Sid, D::Error> {
    struct Identifier;

    impl Visitor<'_> for Identifier {
        type Value = Sid;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a SID")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Sid, E> {
            Sid::parse(text).ok_or_else(|| E::custom("no SID"))
        }
    }

    reader.deserialize_str(Identifier)
}

/// A SID of a known kind; what is none (a short code's owner may leave it empty) tells nothing.
fn sid_or_null<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Sid>, D::Error> {
    let text = Option::<Text<'de>>::deserialize(reader)?;
    Ok(text.and_then(|Text(text)| Sid::parse(&text)))
}
