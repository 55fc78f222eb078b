//! Credentials that are taken for an account's are that account's to any reader.

use http::HeaderValue;
use maskgate::classify::DigestKey;
use maskgate::classify::classify;
use maskgate::policy::Policy;
use maskgate::sid::AccountKey;

use crate::seeds;

const WORDS: [&[u8]; 24] = [
    b" ", b"  ", b"\t", b",", b":", b"=", b"==", b"===", b"Basic ", b"basic ", b"Bearer ",
    b"Digest ", b"QUM", b"Og==", b"AA==", b"-", b"_", b"/", b"+", b"~", b"\x80", b"\xff",
    b"\"", b"0",
];

fn account(policy: &Policy, value: &[u8]) -> Option<AccountKey> {
    let value = HeaderValue::from_bytes(value).ok()?;
    let request = seeds::to("GET", b"/v1/Services")?.header("authorization", value);
    let class = classify(policy, &DigestKey::new(&[7; 16]), &seeds::bare_head(request)).ok()?;
    Some(class.account)
}

fn holds(policy: &Policy, value: &[u8]) {
    let Some(account) = account(policy, value) else { return };
    let text = str::from_utf8(value).unwrap().trim_matches([' ', '\t']);
    let (scheme, rest) = text.split_once(' ').unwrap();
    let rest = rest.trim_matches(' ');
    assert!(!rest.is_empty() && !rest.contains([' ', ',', '\t']), "{text:?}");
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => {
            let pair = String::from_utf8(decoded(rest)).unwrap();
            let (user, password) = pair.split_once(':').unwrap();
            assert!(!password.contains(char::is_control));
            assert_eq!(user.len(), 34);
            match account {
                AccountKey::Sid(sid) => assert!(sid.to_string().eq_ignore_ascii_case(user)),
                AccountKey::Credential(_) => assert!(user.starts_with("SK"), "{user}"),
            }
        }
        "bearer" => assert!(matches!(account, AccountKey::Credential(_))),
        other => panic!("{other} was taken for credentials"),
    }
    // Two fields, though equal, are refused.
    let twice = seeds::to("GET", b"/v1/Services").unwrap().header("authorization", value);
    let twice = seeds::bare_head(twice.header("authorization", value));
    classify(policy, &DigestKey::new(&[7; 16]), &twice).unwrap_err();
}

/// What base64 stands for, bit by bit.
fn decoded(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert_eq!(text.len() % 4, 0, "{text}");
    let plain = text.trim_end_matches('=');
    assert!(text.len() - plain.len() <= 2, "{text}");
    let (mut bits, mut bytes) = (0_u32, Vec::new());
    for (at, letter) in plain.bytes().enumerate() {
        let value = LETTERS.iter().position(|each| *each == letter).unwrap();
        bits = (bits << 6 | u32::try_from(value).unwrap()) & 0xfff;
        match at % 4 {
            0 => {}
            1 => bytes.push(u8::try_from(bits >> 4 & 0xff).unwrap()),
            2 => bytes.push(u8::try_from(bits >> 2 & 0xff).unwrap()),
            _ => bytes.push(u8::try_from(bits & 0xff).unwrap()),
        }
    }
    bytes
}

#[test]
fn credentials_that_are_taken_for_an_accounts_are_that_accounts() {
    assert_eq!(decoded("QUMxOng="), b"AC1:x");
    let policy = seeds::policy();
    let seeds = seeds::lines(include_str!("../seeds/credentials.txt"));
    for seed in &seeds {
        holds(&policy, seed);
    }
    seeds::fuzz!(seeds::MOST_CHOICES, |choices: &[u8]| {
        holds(&policy, &seeds::changed(&seeds, &WORDS, choices).0);
    });
}
