//! When is a service counted, and what does a count leave out?
//!
//! **Invariant:** one count of a service at a time, and two begin at least a second apart. What
//! is added, moved or removed while the list is read wins over what the list says of it.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use tokio::sync::watch;

use crate::policy::pools::ByKind;
use crate::policy::pools::PoolKind;
use crate::pool::numbers::increment;
use crate::pool::open::Moment;
use crate::pool::open::Open;
use crate::pool::service::Standing;
use crate::sid::Sid;
use crate::time::Tick;

/// Two counts of a service begin at least so far apart.
pub const COUNTS_APART: Duration = Duration::from_secs(1);
/// So long after a count that settled a change without an outcome the service is counted once
/// more: the upstream may have been at it still.
pub const SECOND_LOOK: Duration = Duration::from_secs(30);

/// What became of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountOutcome {
    /// The list was read to its end.
    Counted,
    /// The upstream answered it with 4xx.
    Refused,
    /// It could not be read, or not in time.
    Failed,
}

impl CountOutcome {
    /// Every outcome, in the order of their indexes.
    pub const ALL: [Self; 3] = [Self::Counted, Self::Refused, Self::Failed];

    /// The word for it in a label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// Its place in [`CountOutcome::ALL`].
    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Whether a service has to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// No.
    None,
    /// Yes, while what is known still decides.
    Background,
    /// Yes, before anything is decided.
    Now,
}

/// What a count has told those who wait for it; nothing yet while it is under way.
pub(super) type Told = watch::Receiver<Option<CountOutcome>>;

/// The counts of one service.
#[derive(Debug, Default)]
pub(super) struct Count {
    running: Option<Running>,
    began: Option<Tick>,
    /// Something has shown that the numbers may be others, or fewer.
    pub(super) is_due: bool,
    /// A stranger's change has ended without an outcome: no refusal rests on what is known, and
    /// nobody counts because of it before one would.
    is_suspect: bool,
    /// A change has ended without an outcome since the last count.
    lost: bool,
    second_look: Option<Tick>,
}

/// A count under way.
#[derive(Debug)]
struct Running {
    told: Told,
    /// From when on the list is read, among all that happens to the service.
    began: Moment,
    /// What was heard of numbers since it began.
    touched: HashMap<Sid, Touch>,
    /// What may have come since it began, and cannot be looked for in the list.
    beside: ByKind<u32>,
    /// The same of strangers.
    beside_strange: ByKind<u32>,
    was_due: bool,
    was_suspect: bool,
}

/// What was heard of a number while the list is read.
#[derive(Clone, Copy, Debug)]
struct Touch {
    /// The pool that it is in, if any.
    kind: Option<PoolKind>,
    /// Whether it may have been so, and have ended, before the list was begun.
    may_be_old: bool,
}

/// Whether a count can begin.
pub(super) enum Begin {
    Now(watch::Sender<Option<CountOutcome>>),
    UnderWay(Told),
    TooSoon(Duration),
}

impl Count {
    /// Whether one is under way.
    pub(super) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether the numbers may be fewer than is known: no refusal rests on them.
    pub(super) fn is_doubtful(&self) -> bool {
        let was_doubtful = |running: &Running| running.was_due || running.was_suspect;
        self.is_due || self.is_suspect || self.running.as_ref().is_some_and(was_doubtful)
    }

    /// Begins one, unless one is under way or has just begun.
    pub(super) fn begin(&mut self, now: Tick, began: Moment) -> Begin {
        if let Some(running) = &self.running {
            return Begin::UnderWay(running.told.clone());
        }
        if let Some(next) = self.began.map(|began| began.plus(COUNTS_APART))
            && now < next
        {
            return Begin::TooSoon(next.since(now));
        }
        let (tell, told) = watch::channel(None);
        self.running = Some(Running {
            told,
            began,
            touched: HashMap::new(),
            beside: ByKind::default(),
            beside_strange: ByKind::default(),
            was_due: mem::take(&mut self.is_due),
            was_suspect: mem::take(&mut self.is_suspect),
        });
        self.began = Some(now);
        Begin::Now(tell)
    }

    /// A change has put the number into a pool, or into none.
    pub(super) fn touch(&mut self, number: Sid, kind: Option<PoolKind>, by: &Open) {
        if let Some(running) = &mut self.running {
            let may_be_old = by.may_precede(running.began);
            running.touched.insert(number, Touch { kind, may_be_old });
        }
    }

    /// There may be one more of this kind, without a name.
    pub(super) const fn note_beside(&mut self, kind: PoolKind) {
        if let Some(running) = &mut self.running {
            increment(running.beside.get_mut(kind));
        }
    }

    /// A stranger's change to one of these pools has ended without an outcome.
    pub(super) fn suspect(&mut self, kinds: impl Iterator<Item = PoolKind>) {
        self.lost = true;
        self.is_suspect = true;
        if let Some(running) = &mut self.running {
            kinds.for_each(|kind| increment(running.beside_strange.get_mut(kind)));
        }
    }

    /// A change has ended without an outcome.
    pub(super) const fn note_lost(&mut self) {
        self.lost = true;
    }

    /// The count has read `list`: answers what there is by name, and what may be beside it.
    pub(super) fn settle(
        &mut self,
        mut list: HashMap<Sid, PoolKind>,
        now: Tick,
    ) -> (HashMap<Sid, PoolKind>, ByKind<u32>) {
        self.second_look = mem::take(&mut self.lost).then(|| now.plus(SECOND_LOOK));
        let Some(running) = self.running.take() else { return (list, ByKind::default()) };
        let mut beside = running.beside;
        for (number, Touch { kind, may_be_old }) in running.touched {
            let listed = list.get(&number).copied();
            if may_be_old && listed != kind {
                // Which of the two is older? As if both were true.
                self.is_due = true;
                if let (Some(listed), Some(_)) = (listed, kind) {
                    increment(beside.get_mut(listed));
                }
            }
            match kind {
                Some(kind) => drop(list.insert(number, kind)),
                None if may_be_old => {}
                None => drop(list.remove(&number)),
            }
        }
        self.is_due |= beside != ByKind::default();
        self.is_suspect |= running.beside_strange != ByKind::default();
        let all_beside = ByKind::of(|kind| {
            beside.get(kind).saturating_add(*running.beside_strange.get(kind))
        });
        (list, all_beside)
    }

    /// The count has come to nothing. After a refusal, which is one request long and may be
    /// about the caller's credentials, another caller may try at once.
    pub(super) fn give_up(&mut self, outcome: CountOutcome) {
        if let Some(running) = self.running.take() {
            self.is_due |= running.was_due;
            self.is_suspect |= running.was_suspect;
        }
        if outcome == CountOutcome::Refused {
            self.began = None;
        }
    }

    /// Whether one is needed where the last has led to `standing`.
    pub(super) fn need(&self, standing: Standing, recount: Duration, now: Tick) -> Need {
        let Standing::Counted(at) = standing else { return Need::Now };
        let is_old = now >= at.plus(recount);
        let is_looked_for = self.second_look.is_some_and(|look| now >= look);
        if !self.is_running() && (is_old || is_looked_for || self.is_due) {
            Need::Background
        } else {
            Need::None
        }
    }
}

/// `recount`, up to a tenth more or less: always the same for one service, so that services that
/// were counted together are not counted together again.
pub(super) fn jittered(recount: Duration, service: Sid) -> Duration {
    let [.., high, low] = service.bytes();
    let thousandths = u32::from(u16::from_be_bytes([high, low]) % 201).saturating_add(900);
    let product = recount.saturating_mul(thousandths);
    product.checked_div(1_000).unwrap_or(product)
}

#[cfg(test)]
mod tests {
    use super::jittered;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use std::collections::HashSet;
    use std::time::Duration;

    #[test]
    fn the_age_of_a_count_is_a_tenth_more_or_less_and_the_same_for_one_service() {
        let of = |number: u16| {
            let bytes = u128::from(number).to_be_bytes();
            jittered(Duration::from_mins(5), Sid::new(SidKind::Service, bytes))
        };
        let all: HashSet<_> = (0..201).map(of).collect();
        assert_eq!(all.len(), 201);
        assert_eq!(all.iter().min(), Some(&Duration::from_secs(270)));
        assert_eq!(all.iter().max(), Some(&Duration::from_secs(330)));
        assert_eq!(of(65_535), of(65_535));
    }
}
