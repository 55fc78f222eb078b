//! What comes by chance? Numbers drawn one after another, the same for the same seed.
//!
//! **Invariant:** the n-th draw depends on the seed and on n alone, whatever thread asks.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use fastrand::Rng;

use crate::sid::Sid;
use crate::sid::SidKind;

/// The golden ratio's odd fraction of 2^64: it spreads neighbouring counts over all seeds.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// One sequence of draws.
#[derive(Debug)]
pub(super) struct Draws {
    seed: u64,
    drawn: AtomicU64,
}

impl Draws {
    /// The `stream`-th sequence of a seed.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let seed = Rng::with_seed(seed.wrapping_add(stream.wrapping_mul(SPREAD))).u64(..);
        Self { seed, drawn: AtomicU64::new(0) }
    }

    /// The next generator of the sequence; whoever has it may draw from it more than once.
    pub(super) fn next(&self) -> Rng {
        // Draws order nothing but themselves.
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        Rng::with_seed(self.seed.wrapping_add(drawn.wrapping_mul(SPREAD)))
    }

    /// 128 bits.
    pub(super) fn bits(&self) -> u128 {
        self.next().u128(..)
    }

    /// A new SID.
    pub(super) fn sid(&self, kind: SidKind) -> Sid {
        Sid::new(kind, self.bits().to_be_bytes())
    }
}
