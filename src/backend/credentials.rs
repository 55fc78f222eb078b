//! Whose world is it? The account that a request's credentials stand for.
//!
//! **Invariant:** no password and no token is kept, and none appears in an answer.

use std::collections::HashMap;
use std::hash::Hasher;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use siphasher::sip128::Hasher128;
use siphasher::sip128::SipHasher13;

use super::error::Problem;
use crate::sid::Sid;
use crate::sid::SidKind;

/// The one password, and the one token, that are refused.
const WRONG: &[u8] = b"wrong";

const NONE: Problem =
    Problem::Unauthenticated("Authentication Error - No credentials provided");
const USER: Problem = Problem::Unauthenticated("Authentication Error - invalid username");
const PASSWORD: Problem = Problem::Unauthenticated("Authenticate");

/// The account of a request.
///
/// `AC…` is itself; `SK…` acts for the account that `accounts` names, else for the one with its
/// own digits; a bearer token acts for an account that is derived from it.
pub(super) fn account(
    headers: &HeaderMap,
    accounts: &HashMap<Sid, Sid>,
) -> Result<Sid, Problem> {
    let value = headers.get(AUTHORIZATION).ok_or(NONE)?.as_bytes();
    let (scheme, rest) = split_once(value, b' ').ok_or(NONE)?;
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"Basic") {
        basic(rest, accounts)
    } else if scheme.eq_ignore_ascii_case(b"Bearer") && !rest.is_empty() {
        bearer(rest)
    } else {
        Err(NONE)
    }
}

fn basic(encoded: &[u8], accounts: &HashMap<Sid, Sid>) -> Result<Sid, Problem> {
    let decoded = STANDARD.decode(encoded).map_err(|_| NONE)?;
    let (user, password) = split_once(&decoded, b':').ok_or(NONE)?;
    let user = std::str::from_utf8(user).ok().and_then(Sid::parse).ok_or(USER)?;
    let account = match user.kind() {
        SidKind::Account => user,
        SidKind::ApiKey => accounts
            .get(&user)
            .copied()
            .unwrap_or_else(|| Sid::new(SidKind::Account, user.bytes())),
        SidKind::Service
        | SidKind::Session
        | SidKind::Participant
        | SidKind::Interaction
        | SidKind::PhoneNumber
        | SidKind::ShortCode => return Err(USER),
    };
    if password == WRONG { Err(PASSWORD) } else { Ok(account) }
}

fn bearer(token: &[u8]) -> Result<Sid, Problem> {
    if token == WRONG {
        return Err(PASSWORD);
    }
    // Without a key: the account must be the same after a restart.
    let mut hasher = SipHasher13::new();
    hasher.write(token);
    Ok(Sid::new(SidKind::Account, hasher.finish128().as_bytes()))
}

fn split_once(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = bytes.split_at_checked(bytes.iter().position(|byte| *byte == at)?)?;
    Some((before, rest.split_first()?.1))
}

#[cfg(test)]
mod tests {
    use super::Problem;
    use super::account;
    use crate::sid::Sid;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use http::HeaderMap;
    use http::HeaderValue;
    use http::header::AUTHORIZATION;
    use std::collections::HashMap;

    const AC: &str = "AC00000000000000000000000000000001";
    const SK: &str = "SK00000000000000000000000000000002";

    fn of(value: &str, accounts: &HashMap<Sid, Sid>) -> Result<String, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        account(&headers, accounts).map(|sid| sid.to_string())
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn an_account_is_itself_and_a_key_is_its_account() {
        let mut accounts = HashMap::new();
        assert_eq!(of(&basic(&format!("{AC}:x:y")), &accounts).unwrap(), AC);
        let derived = of(&basic(&format!("{SK}:")), &accounts).unwrap();
        assert_eq!(derived, SK.replace("SK", "AC"));
        accounts.insert(Sid::parse(SK).unwrap(), Sid::parse(AC).unwrap());
        assert_eq!(of(&basic(&format!("{SK}:x")), &accounts).unwrap(), AC);
    }

    #[test]
    fn a_token_always_stands_for_the_same_account() {
        let accounts = HashMap::new();
        let one = of("Bearer one", &accounts).unwrap();
        assert!(one.starts_with("AC"));
        assert_eq!(of("bearer  one", &accounts).unwrap(), one);
        assert_ne!(of("Bearer other", &accounts).unwrap(), one);
    }

    #[test]
    fn other_credentials_are_refused() {
        let accounts = HashMap::new();
        for value in [
            basic(&format!("{AC}:wrong")),
            basic("jo:secret"),
            basic("KS00000000000000000000000000000001:secret"),
            basic(AC),
            String::from("Basic"),
            String::from("Basic ???"),
            String::from("Bearer wrong"),
            String::from("Digest x"),
        ] {
            assert!(
                matches!(of(&value, &accounts), Err(Problem::Unauthenticated(_))),
                "{value}"
            );
        }
        assert!(account(&HeaderMap::new(), &accounts).is_err());
    }
}
