//! Is it the same request again? A hash of everything that is the same each time.

use std::hash::Hasher;

use http::header::AUTHORIZATION;
use http::request::Parts;
use siphasher::sip128::Hasher128;
use siphasher::sip128::SipHasher13;

/// The hash of a request, which grows with its body. Without a key: it never leaves the process.
#[derive(Clone, Debug)]
pub struct Fingerprint(SipHasher13);

impl Fingerprint {
    /// Of what is known before the body: credentials, method, path and query.
    pub fn of(head: &Parts) -> Self {
        let credentials = head.headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes);
        let target = head.uri.path_and_query().map(|target| target.as_str().as_bytes());
        let mut hasher = SipHasher13::new();
        for part in [
            credentials.unwrap_or_default(),
            head.method.as_str().as_bytes(),
            target.unwrap_or_default(),
        ] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        Self(hasher)
    }

    /// Adds a piece of the body; where it was cut makes no difference.
    pub fn add(&mut self, data: &[u8]) {
        self.0.write(data);
    }

    /// As far as it was added.
    pub fn value(&self) -> u128 {
        self.0.finish128().as_u128()
    }
}
