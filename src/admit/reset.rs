//! An operator has windows forget what they hold.
//!
//! **Invariant:** what is forgotten are charges alone: a guarded window stays guarded, and gives
//! strangers no more tries than they had.

use super::Admission;
use super::key::WindowKey;
use crate::policy::limit::Limits;
use crate::time::Tick;

/// A window that was emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emptied {
    /// Which.
    pub key: WindowKey,
    /// How many admissions it held.
    pub admissions: u32,
}

impl Admission {
    /// Empties these windows, of which those that nothing is charged to are left out in the answer.
    /// What was admitted stays under way; what of it is given back later was not charged any more.
    pub fn reset(&self, keys: &[WindowKey], limits: &Limits, now: Tick) -> Vec<Emptied> {
        let empty = |key: &WindowKey| {
            let admissions = self.windows.empty(key, limits, now)?;
            Some(Emptied { key: *key, admissions })
        };
        keys.iter().filter_map(empty).collect()
    }
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests {
    use super::Emptied;
    use crate::admit::Admission;
    use crate::admit::Denial;
    use crate::admit::key::WindowKey;
    use crate::classify::RequestClass;
    use crate::policy::Policy;
    use crate::policy::endpoint::Endpoint;
    use crate::policy::upstream::Origin;
    use crate::policy::upstream::Scheme;
    use crate::policy::upstream::Upstream;
    use crate::sid::AccountKey;
    use crate::sid::Digest;
    use crate::sid::ServiceKey;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use crate::time::Tick;
    use http::StatusCode;

    const NOW: Tick = Tick::from_micros(7);

    fn policy() -> Policy {
        let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".into(), port: 9000 };
        Policy::for_upstream(Upstream::plain(origin))
    }

    fn class(endpoint: Endpoint) -> RequestClass {
        RequestClass {
            endpoint,
            account: AccountKey::Sid(Sid::new(SidKind::Account, [1; 16])),
            service: Some(ServiceKey::Sid(Sid::new(SidKind::Service, [2; 16]))),
            credential: Digest([3; 16]),
        }
    }

    #[test]
    fn a_full_window_is_empty_afterwards_and_another_is_as_it_was() {
        let (policy, admission) = (policy(), Admission::new());
        let (full, other) = (class(Endpoint::ListSession), class(Endpoint::FetchSession));
        for _ in 0..150 {
            drop(admission.admit(&policy, &full, NOW).unwrap());
            drop(admission.admit(&policy, &other, NOW).unwrap());
        }
        let keys = [Endpoint::ListSession, Endpoint::CreateSession]
            .map(|endpoint| WindowKey::of(&class(endpoint)));
        let emptied = admission.reset(&keys, &policy.limits, NOW);
        assert_eq!(emptied, [Emptied { key: keys[0], admissions: 150 }]);
        assert_eq!(admission.live_windows(), 2, "the next sweep drops what is empty");
        for _ in 0..150 {
            drop(admission.admit(&policy, &full, NOW).unwrap());
        }
        for class in [full, other] {
            assert!(matches!(admission.admit(&policy, &class, NOW), Err(Denial::Rate(_))));
        }
    }

    #[test]
    fn a_guarded_window_stays_guarded() {
        let (policy, admission) = (policy(), Admission::new());
        let class = class(Endpoint::ListSession);
        let refuse = || {
            let mut permit = admission.admit(&policy, &class, NOW)?;
            let status = StatusCode::UNAUTHORIZED;
            assert!(admission.answered(&class, &mut permit, status, NOW).is_some());
            Ok::<_, Denial>(())
        };
        for _ in 0..9 {
            refuse().unwrap();
        }
        let key = WindowKey::of(&class);
        drop(admission.reset(&[key], &policy.limits, NOW));
        assert_eq!(admission.guarded_windows(), 1);
        let Err(Denial::Rate(denial)) = refuse() else { panic!("a tenth try") };
        assert!(denial.is_guards());
    }
}
