//! How is a credential or a name told from another without being kept? By a keyed hash.

use std::fmt;
use std::hash::Hasher;

use siphasher::sip128::Hasher128;
use siphasher::sip128::SipHasher24;

use crate::sid::AccountKey;
use crate::sid::Digest;
use crate::sid::Sid;

/// The keys of every [`Digest`] of this process. They are random, so a digest says nothing to
/// anybody else, and nobody can make two things collide.
///
/// That of Basic credentials, which a password is part of, never leaves the process. The other may
/// outlive it in the state file, so that the windows of names and API keys do.
#[derive(Clone)]
pub struct DigestKey {
    passwords: SipHasher24,
    names: SipHasher24,
}

impl DigestKey {
    /// A key of 16 random bytes.
    pub fn new(key: &[u8; 16]) -> Self {
        let key = SipHasher24::new_with_key(key);
        Self { passwords: key, names: key }
    }

    /// The same, but for names, API keys and tokens with a key of their own.
    #[must_use]
    pub fn with_names_by(self, key: &[u8; 16]) -> Self {
        Self { names: SipHasher24::new_with_key(key), ..self }
    }

    /// The digest of an API key whose account is not known.
    pub(crate) fn of_api_key(&self, sid: Sid) -> Digest {
        self.digest(&[b"api key", &sid.bytes()])
    }

    /// The digest of Basic credentials, user and password together as they are encoded.
    ///
    /// Every request needs it: eight bytes, which are no part's length, leave the rest in whole words.
    pub(super) fn of_basic(&self, encoded: &[u8]) -> Digest {
        let mut hasher = self.passwords;
        hasher.write(b"(basic) ");
        hasher.write(encoded);
        Digest(hasher.finish128().as_bytes())
    }

    /// The digest of a bearer token.
    pub(super) fn of_token(&self, token: &[u8]) -> Digest {
        self.digest(&[b"token", token])
    }

    /// The digest of a service's unique name within its account.
    pub(crate) fn of_name(&self, account: AccountKey, name: &str) -> Digest {
        match account {
            AccountKey::Sid(sid) => self.digest(&[b"name", &sid.bytes(), name.as_bytes()]),
            AccountKey::Credential(Digest(bytes)) => {
                self.digest(&[b"name of credential", &bytes, name.as_bytes()])
            }
        }
    }

    /// Each part is hashed behind its length, so that no two lists of parts run together.
    fn digest(&self, parts: &[&[u8]]) -> Digest {
        let mut hasher = self.names;
        for part in parts {
            hasher.write(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.write(part);
        }
        Digest(hasher.finish128().as_bytes())
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(…)")
    }
}
