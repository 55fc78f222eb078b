//! A path that is classified has one spelling, and says what it was taken for.

use maskgate::classify::DigestKey;
use maskgate::classify::RequestClass;
use maskgate::classify::classify;
use maskgate::policy::Policy;
use maskgate::policy::endpoint::Endpoint;
use maskgate::policy::endpoint::OPERATIONS;
use maskgate::policy::endpoint::Segment;
use maskgate::policy::limit::Unmatched;
use maskgate::sid::ServiceKey;
use maskgate::sid::Sid;
use maskgate::sid::SidKind;

use crate::seeds;

const WORDS: [&[u8]; 28] = [
    b"/",
    b"//",
    b"/.",
    b"/..",
    b".",
    b"..",
    b"%2F",
    b"%2f",
    b"%5C",
    b"\\",
    b"%",
    b"%00",
    b"%0a",
    b"%20",
    b"%2e%2e",
    b"%41",
    b"%c3%a9",
    b"%ff",
    b";",
    b".json",
    b"v1",
    b"Services",
    b"Sessions",
    b"KSabcdefABCDEF0123456789abcdef0123",
    b"ks",
    b"+",
    b":",
    b"~",
];

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = seeds::lines(include_str!("../seeds/path.txt"));
    for operation in OPERATIONS {
        let mut path = operation.path().replace("|name", "");
        for kind in SidKind::ALL {
            let sid = Sid::new(kind, [0xab; 16]).to_string();
            path = path.replace(&format!("{{{}}}", kind.prefix()), &sid);
        }
        seeds.push(path.into_bytes());
    }
    seeds
}

fn class(policy: &Policy, method: &str, path: &[u8]) -> Option<RequestClass> {
    let head = seeds::head(seeds::to(method, path)?);
    // A target with a query is another one.
    (head.uri.path().as_bytes() == path)
        .then(|| classify(policy, &DigestKey::new(&[7; 16]), &head).ok())?
}

fn holds(strict: &Policy, lenient: &Policy, path: &[u8]) {
    for method in ["GET", "POST", "DELETE", "PUT"] {
        let text = || str::from_utf8(path).unwrap();
        if let Some(class) = class(strict, method, path) {
            says_what_it_was_taken_for(strict, method, text(), class);
            assert_eq!(Some(class), self::class(lenient, method, path));
        } else if let Some(class) = class(lenient, method, path) {
            assert_eq!(class.endpoint, Endpoint::Unmatched);
            is_foreign(text());
        }
    }
}

fn says_what_it_was_taken_for(policy: &Policy, method: &str, path: &str, class: RequestClass) {
    let operation = class.endpoint.operation().unwrap();
    assert_eq!(operation.method.as_str(), method);
    let parts: Vec<_> = path.strip_prefix('/').unwrap().split('/').collect();
    assert_eq!(parts.len(), operation.template.len());
    for (part, segment) in parts.iter().zip(operation.template) {
        match segment {
            Segment::Literal(word) => assert_eq!(part, word),
            Segment::Id(kind) => assert!(is_sid(*kind, part), "{part}"),
            Segment::IdOrName(kind) if is_sid(*kind, part) => {}
            Segment::IdOrName(_) => {
                // However a name is encoded, its window is the same.
                let encoded = encode(&decode(part));
                let start = path.len() - part.len();
                let other = format!("{}{encoded}", &path[..start]);
                assert_eq!(
                    self::class(policy, method, other.as_bytes()),
                    Some(class),
                    "{other}"
                );
            }
        }
    }
    // A name may look like the SID of something else.
    let is_named = parts.get(2).is_some_and(|part| !is_sid(SidKind::Service, part));
    match class.service {
        Some(ServiceKey::Sid(sid)) => assert!(sid.to_string().eq_ignore_ascii_case(parts[2])),
        Some(ServiceKey::Named(_)) => assert!(is_named),
        None => assert_eq!(parts.len(), 2),
    }
}

/// Two letters as they have to be, and 32 hexadecimal digits of either case.
fn is_sid(kind: SidKind, part: &str) -> bool {
    let digits = part.strip_prefix(kind.prefix());
    digits.is_some_and(|digits| {
        digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// The text that a name stands for, which no upstream can take for more than one segment.
fn decode(part: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = part.as_bytes();
    while let [first, behind @ ..] = rest {
        let escaped = behind.get(..2).filter(|_| *first == b'%');
        bytes.push(escaped.map_or(*first, |digits| {
            u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap()
        }));
        rest = if escaped.is_some() { &behind[2..] } else { behind };
    }
    let name = String::from_utf8(bytes).unwrap();
    assert!(!name.contains(|c: char| c.is_control() || "/\\".contains(c)), "{name:?}");
    assert!(![".", "..", ""].contains(&name.trim()) || name.trim().is_empty(), "{name:?}");
    assert!(!name.to_ascii_lowercase().ends_with(".json"), "{name:?}");
    name
}

fn encode(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
}

/// Whether no reader takes `path` for one of the API's.
fn is_foreign(path: &str) {
    assert!(path.starts_with('/') && path.is_ascii(), "{path}");
    assert!(!path.contains(['%', '\\', ';']) && !path.contains("//"), "{path}");
    assert!(!path.split('/').any(|part| part == "." || part == ".."), "{path}");
    assert!(!path.to_ascii_lowercase().starts_with("/v1/services"), "{path}");
}

#[test]
fn a_path_that_is_classified_has_one_spelling() {
    let (strict, mut lenient) = (seeds::policy(), seeds::policy());
    lenient.limits.unmatched = Unmatched::Forward;
    let seeds = seeds();
    for seed in &seeds {
        holds(&strict, &lenient, seed);
    }
    seeds::fuzz!(seeds::MOST_CHOICES, |choices: &[u8]| {
        holds(&strict, &lenient, &seeds::changed(&seeds, &WORDS, choices).0);
    });
}
