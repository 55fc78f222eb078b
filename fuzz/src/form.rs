//! A form that is accepted has every limited field in its bounds, by a second and simpler reading.

use std::pin::pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use bytes::Bytes;
use http_body_util::Full;
use maskgate::budget::ByteBudget;
use maskgate::classify::RequestClass;
use maskgate::inspect::inspect;
use maskgate::policy::Policy;
use maskgate::policy::endpoint::Endpoint;
use maskgate::policy::field::Check;
use maskgate::policy::field::FieldRule;
use maskgate::sid::AccountKey;
use maskgate::sid::ServiceKey;
use maskgate::sid::Sid;
use maskgate::sid::SidKind;

use crate::seeds;

const ENDPOINTS: [Endpoint; 5] = [
    Endpoint::CreateService,
    Endpoint::UpdateService,
    Endpoint::CreateSession,
    Endpoint::UpdateSession,
    Endpoint::CreateParticipant,
];

const WORDS: [&[u8]; 44] = [
    b"&",
    b"=",
    b"+",
    b"%",
    b"%2",
    b"%00",
    b"%20",
    b"%2B",
    b"%26",
    b"%3D",
    b"%C3%A9",
    b"%F0%9F%9A%95",
    b"%ED%A0%80",
    b"%C0%80",
    b"\xc3\xa9",
    b"\xff",
    b";",
    b"x",
    b"xxxxxxxx",
    b"0",
    b"9",
    b"UniqueName=",
    b"%55niqueName=",
    b"uniquename=",
    b"CallbackUrl=",
    b"Ttl=",
    b"&Ttl=5",
    b"FriendlyName=",
    b"Identifier=",
    b"ProxyIdentifier=",
    b"Participants=",
    b"&Participants=%7B%22Identifier%22%3A%22x%22%7D",
    b"%7B",
    b"%7D",
    b"%5B",
    b"%5D",
    b"%22",
    b"%2C",
    b"%3A",
    b"%5Cu0041",
    b"%5Cud83d",
    b"%22identifier%22%3A",
    b"1e9",
    b"-",
];

fn holds(policy: &Policy, form: &[u8]) {
    for endpoint in ENDPOINTS {
        for is_query in [false, true] {
            let Some(verdict) = verdict(policy, endpoint, form, is_query) else { continue };
            if let Ok(bytes) = verdict {
                assert_eq!(&bytes[..], if is_query { b"" } else { form }, "byte for byte");
                keeps_to_the_rules(policy, endpoint, form);
            }
        }
    }
}

/// The verdict on a form in the body or the query of a request; none where it is no query.
fn verdict(
    policy: &Policy,
    endpoint: Endpoint,
    form: &[u8],
    is_query: bool,
) -> Option<Result<Bytes, String>> {
    let (target, body) = if is_query {
        ([b"/?", form].concat(), Bytes::new())
    } else {
        (b"/".to_vec(), Bytes::copy_from_slice(form))
    };
    let request = seeds::to("POST", &target)?
        .header("content-type", "application/x-www-form-urlencoded")
        .header("content-length", body.len());
    let head = seeds::head(request);
    // A `#` would cut the query off.
    if is_query && head.uri.query().map(str::as_bytes) != Some(form) {
        return None;
    }
    let class = RequestClass {
        endpoint,
        account: AccountKey::Sid(Sid::new(SidKind::Account, [1; 16])),
        service: Some(ServiceKey::Sid(Sid::new(SidKind::Service, [2; 16]))),
        credential: maskgate::sid::Digest([0; 16]),
    };
    let memory = Arc::new(ByteBudget::default());
    let inspected = pin!(inspect(policy, &memory, &class, &head, Full::new(body)));
    match inspected.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(verdict) => Some(verdict.map_err(|violation| violation.to_string())),
        Poll::Pending => panic!("the body is all there, and yet it was waited for"),
    }
}

fn keeps_to_the_rules(policy: &Policy, endpoint: Endpoint, form: &[u8]) {
    let pairs = pairs(form);
    let lenient: Vec<_> = form_urlencoded::parse(form).into_owned().collect();
    assert_eq!(pairs, lenient, "one that repairs reads the same");
    for (name, value) in &pairs {
        for rule in policy.limits.fields.of(endpoint).iter().filter(|rule| rule.name == *name) {
            assert!(fits(rule, value), "{name} is {value:?}");
        }
        if endpoint == Endpoint::CreateSession && name == "Participants" && !value.is_empty() {
            participant(policy.limits.fields.of(Endpoint::CreateParticipant), value);
        }
    }
}

/// The decoded pairs; whatever has a second reading is none.
fn pairs(form: &[u8]) -> Vec<(String, String)> {
    let pairs = form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            (decoded(&pair[..end]), decoded(pair.get(end + 1..).unwrap_or_default()))
        })
        .collect()
}

fn decoded(mut text: &[u8]) -> String {
    let mut bytes = Vec::new();
    while let [first, rest @ ..] = text {
        let (byte, rest) = match first {
            b'+' => (b' ', rest),
            b'%' => {
                let digits = str::from_utf8(&rest[..2]).unwrap();
                assert!(digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
                (u8::from_str_radix(digits, 16).unwrap(), &rest[2..])
            }
            byte => (*byte, rest),
        };
        bytes.push(byte);
        text = rest;
    }
    String::from_utf8(bytes).unwrap()
}

fn fits(rule: &FieldRule, value: &str) -> bool {
    match rule.check {
        Check::MaxChars(max) => value.chars().count() <= max,
        Check::MaxBytes(max) => value.len() <= max,
        Check::Between { low, high } => {
            let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            digits && value.parse::<u64>().is_ok_and(|number| low < number && number < high)
        }
    }
}

/// One object of bounded depth, whose fields keep to the rules by each of their spellings.
fn participant(rules: &[FieldRule], json: &str) {
    let Ok(object) = serde_json::from_str::<serde_json::Value>(json) else {
        // Half a surrogate or a huge number, in a field without a rule.
        assert!(json.trim_start().starts_with('{') && json.trim_end().ends_with('}'), "{json}");
        return;
    };
    assert!(depth(&object) <= 4, "{json}");
    for (key, value) in object.as_object().unwrap() {
        let folded = |text: &str| text.replace('_', "").to_ascii_lowercase();
        let is_known = |rule: &&FieldRule| {
            let (name, first) = (rule.name.as_ref(), &rule.name[..1]);
            let camel = format!("{}{}", first.to_ascii_lowercase(), &name[1..]);
            let is_snake = *key == key.to_ascii_lowercase() && key.contains('_');
            key == name || *key == camel || (is_snake && folded(key) == folded(name))
        };
        // What is no string may be written shorter than this reader would write it.
        let Some(text) = value.as_str() else { continue };
        for rule in rules.iter().filter(is_known) {
            assert!(fits(rule, text), "{key} is {text:?}");
        }
    }
}

fn depth(value: &serde_json::Value) -> usize {
    let deepest = match value {
        serde_json::Value::Array(values) => values.iter().map(depth).max(),
        serde_json::Value::Object(fields) => fields.values().map(depth).max(),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => return 0,
    };
    deepest.unwrap_or(0) + 1
}

#[test]
fn a_form_that_is_accepted_has_every_limited_field_in_its_bounds() {
    let policy = seeds::policy();
    let seeds = seeds::lines(include_str!("../seeds/form.txt"));
    for seed in &seeds {
        holds(&policy, seed);
    }
    seeds::fuzz!(seeds::MOST_CHOICES, |choices: &[u8]| {
        holds(&policy, &seeds::changed(&seeds, &WORDS, choices).0);
    });
}
