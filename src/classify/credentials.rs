//! Who calls? The account behind `Authorization`, without ever keeping the secret in it.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::classify::DigestKey;
use crate::classify::Unroutable;
use crate::sid;
use crate::sid::AccountKey;
use crate::sid::Digest;
use crate::sid::Sid;
use crate::sid::SidKind;

/// The longest user and password together, in bytes; real ones have 34 and 32.
const MAX_BASIC: usize = 1024;

/// Whom a request's credentials stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) account: AccountKey,
    /// The hash of scheme, user and password, or of scheme and token: another password is another
    /// credential, another spelling of the scheme is not.
    pub(super) credential: Digest,
}

/// The caller that the request's credentials stand for.
pub(super) fn caller(
    accounts: &HashMap<Sid, Sid>,
    digests: &DigestKey,
    headers: &HeaderMap,
) -> Result<Caller, Unroutable> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = fields.next().ok_or(Unroutable::NoCredentials)?;
    if fields.next().is_some() {
        return Err(Unroutable::SeveralCredentials);
    }
    let text = field.to_str().map_err(|_| Unroutable::MalformedCredentials)?;
    let (scheme, rest) = text.split_once(' ').ok_or(Unroutable::MalformedCredentials)?;
    let rest = rest.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("Basic") {
        let user = basic_user(rest).ok_or(Unroutable::MalformedCredentials)?;
        let account = account_of_user(accounts, digests, user);
        Ok(Caller { account, credential: digests.of_basic(rest.as_bytes()) })
    } else if scheme.eq_ignore_ascii_case("Bearer") && is_token68(rest) {
        let credential = digests.of_token(rest.as_bytes());
        Ok(Caller { account: AccountKey::Credential(credential), credential })
    } else {
        Err(Unroutable::MalformedCredentials)
    }
}

fn account_of_user(accounts: &HashMap<Sid, Sid>, digests: &DigestKey, user: Sid) -> AccountKey {
    if user.kind() == SidKind::Account {
        return AccountKey::Sid(user);
    }
    match accounts.get(&user) {
        Some(account) => AccountKey::Sid(*account),
        None => AccountKey::Credential(digests.of_api_key(user)),
    }
}

/// The user of Basic credentials (RFC 7617): an account or an API key.
fn basic_user(encoded: &str) -> Option<Sid> {
    let mut buffer = [0; MAX_BASIC];
    let length = STANDARD.decode_slice(encoded, &mut buffer).ok()?;
    let decoded = std::str::from_utf8(buffer.get(..length)?).ok()?;
    let user = decoded.get(..sid::TEXT_LENGTH)?;
    if !decoded.get(sid::TEXT_LENGTH..)?.starts_with(':')
        || decoded.chars().any(char::is_control)
    {
        return None;
    }
    Sid::parse_as(SidKind::Account, user).or_else(|| Sid::parse_as(SidKind::ApiKey, user))
}

/// The alphabet of a bearer token (RFC 6750 §2.1).
fn is_token68(token: &str) -> bool {
    let token = token.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !token.is_empty() && token.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::caller;
    use crate::classify::DigestKey;
    use crate::classify::Unroutable;
    use crate::sid::AccountKey;
    use crate::sid::Digest;
    use crate::sid::Sid;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use http::HeaderMap;
    use http::HeaderValue;
    use http::header::AUTHORIZATION;
    use std::collections::HashMap;

    const ACCOUNT: &str = "ACabcdef0123456789abcdef0123456789";
    const KEY: &str = "SKabcdef0123456789abcdef0123456789";

    fn of(fields: &[&[u8]]) -> Result<AccountKey, Unroutable> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(field).unwrap());
        }
        caller(&HashMap::new(), &DigestKey::new(&[7; 16]), &headers).map(|found| found.account)
    }

    fn credential_of(field: &str) -> Digest {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, field.parse().unwrap())]);
        caller(&HashMap::new(), &DigestKey::new(&[7; 16]), &headers).unwrap().credential
    }

    fn basic(text: &str) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(text)).into_bytes()
    }

    #[test]
    fn a_basic_user_is_the_account_whatever_the_password() {
        let account = Ok(AccountKey::Sid(Sid::parse(ACCOUNT).unwrap()));
        assert_eq!(of(&[&basic(&format!("{ACCOUNT}:secret"))]), account);
        assert_eq!(of(&[&basic(&format!("{ACCOUNT}:"))]), account);
        let upper = ACCOUNT.replace("abcdef", "ABCDEF");
        assert_eq!(of(&[&basic(&format!("{upper}:a:b"))]), account);
        let shouted = format!("BASIC  {}", STANDARD.encode(format!("{ACCOUNT}:x")));
        assert_eq!(of(&[shouted.as_bytes()]), account);
    }

    #[test]
    fn an_api_key_counts_for_its_account_where_that_is_known() {
        let field = basic(&format!("{KEY}:secret"));
        let (key, account_sid) = (Sid::parse(KEY).unwrap(), Sid::parse(ACCOUNT).unwrap());
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(&field).unwrap());
        let known = HashMap::from([(key, account_sid)]);
        let digests = DigestKey::new(&[7; 16]);
        let found = caller(&known, &digests, &headers).unwrap();
        assert_eq!(found.account, AccountKey::Sid(account_sid));
        let other_password = basic(&format!("{KEY}:other"));
        assert_eq!(of(&[&field]), of(&[&other_password]));
        assert!(matches!(of(&[&field]), Ok(AccountKey::Credential(_))));
    }

    #[test]
    fn bearer_tokens_are_told_apart() {
        let one = of(&[b"Bearer aaa.bbb.ccc"]).unwrap();
        assert_eq!(of(&[b"bearer aaa.bbb.ccc"]), Ok(one));
        assert_ne!(of(&[b"Bearer aaa.bbb.ccd"]), Ok(one));
    }

    #[test]
    fn a_credential_is_another_one_with_another_password_and_the_same_however_it_is_spelt() {
        let encoded = |password| STANDARD.encode(format!("{ACCOUNT}:{password}"));
        let right = credential_of(&format!("Basic {}", encoded("right")));
        assert_eq!(credential_of(&format!("bASIC   {}", encoded("right"))), right);
        assert_ne!(credential_of(&format!("Basic {}", encoded("wrong"))), right);
        // A token that looks like Basic credentials is none.
        assert_ne!(credential_of(&format!("Bearer {}", encoded("right"))), right);
        assert_eq!(credential_of("Bearer a.b.c"), credential_of("bearer  a.b.c"));
    }

    #[test]
    fn credentials_that_are_missing_doubled_or_unreadable_are_refused() {
        assert_eq!(of(&[]), Err(Unroutable::NoCredentials));
        let good = basic(&format!("{ACCOUNT}:x"));
        assert_eq!(of(&[&good, &good]), Err(Unroutable::SeveralCredentials));
        let long = basic(&format!("{ACCOUNT}:{}", "x".repeat(8000)));
        let malformed: [&[u8]; 13] = [
            b"",
            b"Basic",
            b"Basic ",
            b"Basic !!!!",
            b"Basic QQ",
            b"Digest username=x",
            b"Bearer ",
            b"Bearer a b",
            b"\xff\xfe \xff",
            &basic("someone:x"),
            &basic(ACCOUNT),
            &basic(&format!("{ACCOUNT}:a\0b")),
            &long,
        ];
        for field in malformed {
            let shown = String::from_utf8_lossy(field);
            assert_eq!(of(&[field]), Err(Unroutable::MalformedCredentials), "{shown}");
        }
    }
}
