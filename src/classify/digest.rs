//! How is a credential or a name told from another without being kept? By a keyed hash.

use std::fmt;
use std::hash::Hasher;

use siphasher::sip128::Hasher128;
use siphasher::sip128::SipHasher24;

use crate::sid::AccountKey;
use crate::sid::Digest;
use crate::sid::Sid;

/// The key of every [`Digest`] of this process. It is random and never leaves the process, so a
/// digest says nothing to anybody else, and nobody can make two things collide.
#[derive(Clone)]
pub struct DigestKey(SipHasher24);

impl DigestKey {
    /// A key of 16 random bytes.
    pub fn new(key: &[u8; 16]) -> Self {
        Self(SipHasher24::new_with_key(key))
    }

    /// The digest of an API key whose account is not known.
    pub(crate) fn of_api_key(&self, sid: Sid) -> Digest {
        self.digest(&[b"api key", &sid.bytes()])
    }

    /// The digest of Basic credentials, user and password together as they are encoded.
    ///
    /// Every request needs it: eight bytes, which are no part's length, leave the rest in whole words.
    pub(super) fn of_basic(&self, encoded: &[u8]) -> Digest {
        let mut hasher = self.0;
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
        let mut hasher = self.0;
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
