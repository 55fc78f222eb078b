//! Has it been said that a pool is nearly full?

use std::time::Duration;

use crate::policy::pools::Share;
use crate::time::Tick;

/// What keeps growing is said again after so long.
const AGAIN: Duration = Duration::from_mins(1);

/// The last warning, as long as the pool has not fallen below what was warned of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Warning(Option<Said>);

#[derive(Clone, Copy, Debug)]
struct Said {
    at: Tick,
    used: u32,
    share: Share,
    limit: u32,
}

impl Warning {
    /// Whether there is a new reason: the pool has risen to `share` of its limit, or it has been
    /// there for a minute and has grown.
    pub(super) fn is_to_be_said(
        &mut self,
        share: Share,
        (used, limit): (u32, u32),
        now: Tick,
    ) -> bool {
        if !share.is_reached(used, limit) {
            self.0 = None;
            return false;
        }
        let is_old = |said: Said| used > said.used && now >= said.at.plus(AGAIN);
        let is_new = self.0.is_none_or(is_old);
        if is_new {
            self.0 = Some(Said { at: now, used, share, limit });
        }
        is_new
    }

    /// Only `used` are left: if that is below what was warned of, rising again is news.
    pub(super) fn rearm(&mut self, used: u32) {
        self.0 = self.0.filter(|said| said.share.is_reached(used, said.limit));
    }
}

#[cfg(test)]
mod tests {
    use super::Warning;
    use crate::policy::pools::Share;
    use crate::time::Tick;

    const MINUTE: u64 = 60_000_000;

    fn say(warning: &mut Warning, used: u32, at: u64) -> bool {
        warning.is_to_be_said(Share::API, (used, 500), Tick::from_micros(at))
    }

    #[test]
    fn a_pool_that_rises_to_85_percent_is_said_once() {
        let mut warning = Warning::default();
        assert!(!say(&mut warning, 424, 0));
        assert!(say(&mut warning, 425, 1));
        assert!(!say(&mut warning, 426, 2) && !say(&mut warning, 425, 3));
    }

    #[test]
    fn it_is_said_again_after_it_fell_below_and_rose_whether_anybody_asked_meanwhile_or_not() {
        let mut warning = Warning::default();
        assert!(say(&mut warning, 425, 0));
        warning.rearm(425);
        assert!(!say(&mut warning, 425, 1));
        warning.rearm(424);
        assert!(say(&mut warning, 425, 2));
        assert!(!say(&mut warning, 424, 3) && say(&mut warning, 425, 4));
    }

    #[test]
    fn what_stays_and_grows_is_said_again_after_a_minute_and_what_does_not_grow_is_not() {
        let mut warning = Warning::default();
        assert!(say(&mut warning, 425, 0));
        assert!(!say(&mut warning, 426, MINUTE - 1));
        assert!(!say(&mut warning, 425, MINUTE));
        assert!(say(&mut warning, 426, MINUTE));
        assert!(!say(&mut warning, 427, 2 * MINUTE - 1));
    }
}
