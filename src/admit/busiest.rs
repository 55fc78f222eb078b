//! Which windows are the fullest of all? Found by the sweep, which looks at every one of them.
//!
//! **Invariant:** at most [`MOST`], however many windows there are.

use std::num::NonZeroU32;

use crate::admit::key::WindowKey;

/// How many are told of.
pub const MOST: usize = 20;

/// How full a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Whose window it is.
    pub key: WindowKey,
    /// Charges in it.
    pub taken: u32,
    /// How many may be, by the rule that does not depend on an account.
    pub allowed: NonZeroU32,
}

impl Full {
    /// The share of what may be: above 1 where the limit has been lowered.
    pub fn ratio(&self) -> f64 {
        f64::from(self.taken) / f64::from(self.allowed.get())
    }
}

/// The fullest windows, those first that are fuller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Busiest(Vec<Full>);

impl Busiest {
    /// Takes a window in, where it is one of the fullest; of equals those that came first stay.
    pub fn note(&mut self, full: Full) {
        let ratio = full.ratio();
        let is_less = |least: &Full| ratio <= least.ratio();
        if full.taken == 0 || self.0.get(MOST.saturating_sub(1)).is_some_and(is_less) {
            return;
        }
        let place = self.0.partition_point(|other| other.ratio() >= ratio);
        self.0.truncate(MOST.saturating_sub(1));
        self.0.insert(place.min(self.0.len()), full);
    }

    /// The fullest first.
    pub fn into_vec(self) -> Vec<Full> {
        self.0
    }
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests {
    use super::Busiest;
    use super::Full;
    use super::MOST;
    use crate::admit::key::Scope;
    use crate::admit::key::WindowKey;
    use crate::policy::endpoint::Endpoint;
    use crate::sid::ServiceKey;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use proptest::collection::vec;
    use proptest::prelude::prop_assert_eq;
    use proptest::proptest;
    use std::num::NonZeroU32;

    fn full(taken: u32, allowed: u32) -> Full {
        let scope = Scope::Service(ServiceKey::Sid(Sid::new(SidKind::Service, [1; 16])));
        let key = WindowKey { scope, endpoint: Endpoint::FetchService };
        Full { key, taken, allowed: NonZeroU32::new(allowed).unwrap() }
    }

    #[test]
    fn a_small_window_that_is_full_goes_before_a_large_one_that_is_not() {
        let mut busiest = Busiest::default();
        for each in [full(100, 150), full(2, 2), full(0, 9)] {
            busiest.note(each);
        }
        assert_eq!(busiest.into_vec(), [full(2, 2), full(100, 150)]);
    }

    proptest! {
        #[test]
        fn they_are_those_that_sorting_all_would_find(taken in vec(1_u32..60, 0..80)) {
            let mut busiest = Busiest::default();
            for taken in &taken {
                busiest.note(full(*taken, 50));
            }
            let found: Vec<_> = busiest.into_vec().iter().map(|it| it.taken).collect();
            let mut expected = taken;
            expected.sort_unstable_by(|one, other| other.cmp(one));
            expected.truncate(MOST);
            prop_assert_eq!(found, expected);
        }
    }
}
