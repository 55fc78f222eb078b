//! What is to be there before a test begins? One JSON document, carried out as the requests it
//! stands for.
//!
//! A thing is an object: its keys are parameters of the operation that makes it, and path
//! segments of what is below it. See `docs/backend.md`.
//!
//! **Invariant:** a seed is made by the backend's own operations, so it holds nothing that a
//! client could not have made; and it is made whole or not at all.

use serde_json::Map;
use serde_json::Value;
use thiserror::Error;

use super::Backend;
use super::error::Problem;
use super::form::Form;
use crate::sid::Sid;
use crate::sid::SidKind;

/// The account of a seed that names none: that of the examples.
const ACCOUNT: &str = "AC00000000000000000000000000000001";
const ACCOUNT_KEY: &str = "Account";
/// A longer key, or one with other characters, is not repeated in an error.
const MAX_KEY: usize = 40;

/// Things of one kind: which parameters make one, and what is below it, in the order in which
/// it is made.
struct Kind {
    /// The segment of the path, and the key in the document.
    segment: &'static str,
    parameters: &'static [&'static str],
    below: &'static [Kind],
}

const SERVICES: Kind = Kind {
    segment: "Services",
    parameters: &[
        "UniqueName",
        "DefaultTtl",
        "CallbackUrl",
        "GeoMatchLevel",
        "NumberSelectionBehavior",
        "InterceptCallbackUrl",
        "OutOfSessionCallbackUrl",
        "ChatInstanceSid",
    ],
    below: &[
        Kind {
            segment: "PhoneNumbers",
            parameters: &["Sid", "PhoneNumber", "IsReserved"],
            below: &[],
        },
        Kind { segment: "ShortCodes", parameters: &["Sid"], below: &[] },
        Kind {
            segment: "Sessions",
            parameters: &["UniqueName", "DateExpiry", "Ttl", "Mode", "Status"],
            below: &[Kind {
                segment: "Participants",
                parameters: &[
                    "Identifier",
                    "FriendlyName",
                    "ProxyIdentifier",
                    "ProxyIdentifierSid",
                ],
                below: &[Kind {
                    segment: "MessageInteractions",
                    parameters: &["Body", "MediaUrl"],
                    below: &[],
                }],
            }],
        },
    ],
};

/// Why a document was not carried out; nothing of it is there.
#[derive(Debug, Error)]
pub enum SeedError {
    /// It is no JSON.
    #[error("the document is no JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// Something stands where it cannot.
    #[error("{place}: {what}")]
    Shape {
        /// Where in the document, such as `Services[0].Sessions[1]`.
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// The operation that it stands for is refused.
    #[error("{place}: the API refuses it with {code}: {message}")]
    Refused {
        /// Where in the document.
        place: String,
        /// The API's code.
        code: u32,
        /// The API's message.
        message: String,
    },
}

/// One thing to be made.
struct Plan {
    place: String,
    form: Form,
    below: Vec<(&'static str, Vec<Self>)>,
}

impl Backend {
    /// Makes everything that the JSON document names, and answers with the same tree of SIDs.
    pub fn seed(&self, document: &[u8]) -> Result<Value, SeedError> {
        let document: Value = serde_json::from_slice(document)?;
        let object = document.as_object().ok_or_else(|| shape("", "write an object"))?;
        check_keys(object, "", &[ACCOUNT_KEY, SERVICES.segment])?;
        let account = account(object)?;
        let plans = plans(object, &SERVICES, "")?;
        let mut planted = Planted { backend: self, account, services: Vec::new() };
        match planted.plant_all("/v1", SERVICES.segment, &plans) {
            Ok(sids) => Ok(Value::Object(Map::from_iter([
                (ACCOUNT_KEY.to_owned(), account.to_string().into()),
                (SERVICES.segment.to_owned(), sids),
            ]))),
            Err(error) => {
                planted.uproot();
                Err(error)
            }
        }
    }
}

/// What has been made so far.
struct Planted<'b> {
    backend: &'b Backend,
    account: Sid,
    /// The paths of the services.
    services: Vec<String>,
}

impl Planted<'_> {
    /// Makes the things of one list, and answers with their SIDs.
    fn plant_all(
        &mut self,
        above: &str,
        segment: &str,
        plans: &[Plan],
    ) -> Result<Value, SeedError> {
        let list = format!("{above}/{segment}");
        plans.iter().map(|plan| self.plant(&list, plan)).collect()
    }

    fn plant(&mut self, list: &str, plan: &Plan) -> Result<Value, SeedError> {
        let refused = |problem: Problem| SeedError::Refused {
            place: plan.place.clone(),
            code: problem.code(),
            message: problem.message(list).into_owned(),
        };
        let reply = self.backend.perform(self.account, "POST", list, &plan.form);
        let answer = reply.map_err(refused)?.body;
        let answer: Value = serde_json::from_slice(&answer)?;
        let sid = answer.get("sid").and_then(Value::as_str).unwrap_or_default();
        let path = format!("{list}/{sid}");
        if sid.starts_with(SidKind::Service.prefix()) {
            self.services.push(path.clone());
        }
        let mut made = Map::from_iter([("sid".to_owned(), Value::from(sid))]);
        for (segment, plans) in &plan.below {
            made.insert((*segment).to_owned(), self.plant_all(&path, segment, plans)?);
        }
        Ok(Value::Object(made))
    }

    /// Takes everything back.
    fn uproot(self) {
        for path in self.services {
            // One that a client has deleted in the meantime is gone as well.
            drop(self.backend.perform(self.account, "DELETE", &path, &Form::default()));
        }
    }
}

fn account(document: &Map<String, Value>) -> Result<Sid, SeedError> {
    let given = document.get(ACCOUNT_KEY).map_or(Some(ACCOUNT), Value::as_str);
    given
        .and_then(|text| Sid::parse_as(SidKind::Account, text))
        .ok_or_else(|| shape(ACCOUNT_KEY, "write AC and 32 hexadecimal digits"))
}

/// The things of one kind that `object` names.
fn plans(
    object: &Map<String, Value>,
    kind: &'static Kind,
    above: &str,
) -> Result<Vec<Plan>, SeedError> {
    let place = [above, if above.is_empty() { "" } else { "." }, kind.segment].concat();
    let Some(list) = object.get(kind.segment) else { return Ok(Vec::new()) };
    let list = list.as_array().ok_or_else(|| shape(&place, "write a list of objects"))?;
    let places = (0_usize..).map(|index| format!("{place}[{index}]"));
    list.iter().zip(places).map(|(value, place)| plan(value, kind, place)).collect()
}

fn plan(value: &Value, kind: &'static Kind, place: String) -> Result<Plan, SeedError> {
    let object = value.as_object().ok_or_else(|| shape(&place, "write an object"))?;
    let below = kind.below.iter().map(|kind| kind.segment);
    let known: Vec<_> = kind.parameters.iter().copied().chain(below).collect();
    check_keys(object, &place, &known)?;
    let mut pairs = Vec::new();
    for name in kind.parameters {
        let Some(value) = object.get(*name) else { continue };
        let texts = texts(value).ok_or_else(|| {
            shape(&format!("{place}.{name}"), "write text, a number, true, false or a list")
        })?;
        pairs.extend(texts.into_iter().map(|text| ((*name).to_owned(), text)));
    }
    let below = kind
        .below
        .iter()
        .filter(|kind| object.contains_key(kind.segment))
        .map(|kind| Ok((kind.segment, plans(object, kind, &place)?)))
        .collect::<Result<_, SeedError>>()?;
    Ok(Plan { place, form: Form::of(pairs), below })
}

fn check_keys(
    object: &Map<String, Value>,
    place: &str,
    known: &[&str],
) -> Result<(), SeedError> {
    let Some(unknown) = object.keys().find(|key| !known.contains(&key.as_str())) else {
        return Ok(());
    };
    let plain = unknown.len() <= MAX_KEY && unknown.bytes().all(|b| b.is_ascii_alphabetic());
    let name =
        if plain { format!("unknown key `{unknown}`") } else { "unknown key".to_owned() };
    Err(shape(place, &format!("{name}; there are {}", known.join(", "))))
}

/// The values of a parameter: several for a list, none for null.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(values) => values.iter().map(text).collect(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(vec![text(value)?]),
        Value::Object(_) => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn shape(place: &str, what: &str) -> SeedError {
    let place = if place.is_empty() { "the document" } else { place };
    SeedError::Shape { place: place.to_owned(), what: what.to_owned() }
}
