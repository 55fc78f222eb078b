//! Which requests are traced, and where are their spans sent? A collector that speaks OTLP.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use crate::policy::upstream::Origin;

/// A collector, and what it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otlp {
    /// The server.
    pub collector: Origin,
    /// The path of its traces; it begins with `/`.
    pub path: String,
    /// How it is spoken to over TLS; none: over plain TCP.
    pub tls: Option<CollectorTls>,
    /// The file of the headers that each batch is sent with, such as credentials: it is read for each
    /// batch, so it may be changed at any time, and is kept nowhere.
    pub headers: Option<PathBuf>,
    /// Of the requests whose caller says nothing of it: which share is traced.
    pub sample: Sample,
    /// How long a batch may take: 1 ms to 1 min.
    pub timeout: Duration,
    /// How many spans may wait for a batch: 1 to 1,000,000.
    pub queue: NonZeroUsize,
}

impl Otlp {
    /// How long a batch may take, unless it is said.
    pub const TIMEOUT: Duration = Duration::from_secs(10);
    /// How many spans may wait, unless it is said: of some 300 bytes each.
    pub const QUEUE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4_095);
}

/// TLS to the collector. Two are the same when they trust the same file.
#[derive(Clone)]
pub struct CollectorTls {
    /// The authority's file; none: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// What connections are made with.
    pub client: Arc<ClientConfig>,
}

impl fmt::Debug for CollectorTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectorTls").field("ca", &self.ca).finish_non_exhaustive()
    }
}

impl PartialEq for CollectorTls {
    fn eq(&self, other: &Self) -> bool {
        self.ca == other.ca
    }
}

impl Eq for CollectorTls {}

/// A share of all traces, chosen by their numbers: 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The traces whose number, of 56 bits, is below this one.
    below: u64,
}

impl Sample {
    /// One in a hundred.
    pub const DEFAULT: Self = Self { below: Self::ALL.below / 100 };
    /// Every trace.
    pub const ALL: Self = Self { below: 1 << Self::BITS };
    /// As many bits of a trace's number are random in any case (W3C Trace Context, level 2, §3.2.2.5).
    const BITS: u32 = 56;

    /// None where it is no number from 0 to 1.
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a share of 2^56, which f64 holds exactly: 0 to 2^56"
    )]
    pub fn new(share: f64) -> Option<Self> {
        let below = (share * Self::ALL.below as f64) as u64;
        (0.0..=1.0).contains(&share).then_some(Self { below })
    }

    /// The share: 0 to 1.
    #[expect(
        clippy::as_conversions,
        clippy::cast_precision_loss,
        reason = "a share of 2^56, which f64 holds exactly: 0 to 2^56"
    )]
    pub const fn share(self) -> f64 {
        self.below as f64 / Self::ALL.below as f64
    }

    /// Whether the trace of this number is one of them. The same answer everywhere that samples by
    /// this share, and fewer are a part of more.
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "the lowest 56 bits are what is meant"
    )]
    pub const fn takes(self, trace: u128) -> bool {
        (trace as u64) & (Self::ALL.below - 1) < self.below
    }
}

#[cfg(test)]
mod tests {
    use super::Sample;

    #[test]
    fn a_sample_takes_its_share_of_random_traces_and_no_more() {
        assert_eq!([Sample::new(-0.1), Sample::new(1.1), Sample::new(f64::NAN)], [None; 3]);
        let random = fastrand::Rng::with_seed(7);
        for (share, least, most) in
            [(0.0, 0, 0), (0.01, 800, 1_200), (0.5, 49_000, 51_000), (1.0, 100_000, 100_000)]
        {
            let (sample, mut random) = (Sample::new(share).unwrap(), random.clone());
            let taken = (0..100_000).filter(|_| sample.takes(random.u128(..))).count();
            assert!((least..=most).contains(&taken), "{share}: {taken}");
        }
        assert_eq!(Sample::new(1.0), Some(Sample::ALL));
        assert!((Sample::new(0.25).unwrap().share() - 0.25).abs() < 1e-9);
        assert!(Sample::ALL.takes(u128::MAX) && Sample::ALL.takes(1));
    }
}
