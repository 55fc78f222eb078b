//! Under which name is a window kept in the store, and on which server?
//!
//! **Invariant:** the name of a window is the same in every process and version that writes the
//! format `mg1`, and all keys of one service, or of one account, are in one hash slot.
//!
//! The tag is one of 256 buckets and not the SID: the epoch stands in the same slot as the windows
//! that it vouches for, and the epoch of a service that was never asked for could not be told from
//! one that is lost.

use siphasher::sip::SipHasher13;

use crate::policy::endpoint::Endpoint;
use crate::sid::Sid;

/// How many buckets there are.
pub(super) const BUCKETS: usize = 256;
/// How many hash slots a Cluster has.
pub(super) const SLOTS: u16 = 16_384;

/// A window that all replicas share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SharedKey {
    /// The service's, or the account's where the operation names no service.
    pub sid: Sid,
    /// The operation.
    pub endpoint: Endpoint,
}

impl SharedKey {
    /// Where it is kept.
    pub fn bucket(self) -> Bucket {
        Bucket::of(self.sid)
    }

    /// Its name in the store.
    pub(super) fn name(self) -> String {
        format!("mg1:{{mg{}}}:w:{}:{}", self.bucket().0, self.sid, self.endpoint.name())
    }
}

/// The name in the store of a service's number pools.
pub(super) fn pools_name(service: Sid) -> String {
    format!("mg1:{{mg{}}}:p:{service}", Bucket::of(service).0)
}

/// The name in the store of the list of a service's numbers, as far as it is read.
pub(super) fn list_name(service: Sid) -> String {
    format!("mg1:{{mg{}}}:l:{service}", Bucket::of(service).0)
}

/// What stands and falls together in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bucket(u8);

impl Bucket {
    /// Every bucket.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }

    /// The bucket of a service or an account.
    pub fn of(sid: Sid) -> Self {
        let hash = SipHasher13::new_with_keys(0, 0).hash(&sid.bytes());
        Self(hash.to_be_bytes()[0])
    }

    /// That in which the replicas have their places.
    pub(super) const FIRST: Self = Self(0);

    /// The name of the replicas' places in the store.
    pub(super) fn places_name(self) -> String {
        format!("mg1:{{mg{}}}:places", self.0)
    }

    /// A number that differs from bucket to bucket: 0 to 255.
    pub(super) fn number(self) -> u32 {
        self.0.into()
    }

    /// A small number for arrays with one place for each bucket.
    pub fn index(self) -> usize {
        self.0.into()
    }

    /// The name of its epoch in the store.
    pub(super) fn epoch_name(self) -> String {
        format!("mg1:{{mg{}}}:epoch", self.0)
    }

    /// The hash slot of its keys.
    pub(super) fn slot(self) -> u16 {
        crc16(format!("mg{}", self.0).as_bytes()) % SLOTS
    }
}

/// CRC-16/XMODEM, by which a Cluster finds the slot of a key (Redis Cluster Specification, "Key
/// distribution model").
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 { shifted } else { shifted ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::Bucket;
    use super::SharedKey;
    use super::crc16;
    use crate::policy::endpoint::Endpoint;
    use crate::sid::Sid;
    use crate::sid::SidKind;

    #[test]
    fn a_slot_is_what_a_cluster_computes() {
        // The specification's own example.
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn a_window_has_the_same_name_in_every_process_and_version() {
        let sid = Sid::new(SidKind::Service, [0xab; 16]);
        let key = SharedKey { sid, endpoint: Endpoint::CreateSession };
        let bucket = Bucket::of(sid);
        let sid = "ab".repeat(16);
        let number = bucket.index();
        assert_eq!(key.name(), format!("mg1:{{mg{number}}}:w:KS{sid}:CreateSession"));
        assert_eq!(bucket.epoch_name(), format!("mg1:{{mg{number}}}:epoch"));
        assert_eq!(number, 141);
    }
}
