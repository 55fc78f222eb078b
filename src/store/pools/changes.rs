//! Which changes of numbers has this replica under way, and what of them does the store not know?
//!
//! **Invariant:** a change is here from before its room is asked for until the store knows its outcome;
//! one that was made without the store, until the store knows that it is to believe nothing of that
//! service. No I/O and no clock.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::mem;

use tokio::sync::oneshot;

use crate::policy::pools::PoolKind;
use crate::sid::Sid;
use crate::store::key::Bucket;
use crate::store::pools::ChangeId;
use crate::store::pools::PoolChange;
use crate::store::pools::word::Outcome;
use crate::store::pools::word::Receipt;
use crate::store::pools::word::Word;

/// So many numbers that were seen wait to be told. More are left to the next count.
const MOST_SEEN: usize = 10_000;
/// So many of them in one call.
const SEEN_AT_ONCE: usize = 100;

/// Where a change has its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nowhere yet.
    Nowhere,
    /// In the store perhaps: it has been asked for it.
    Asked,
    /// In the store.
    Store,
    /// With this replica.
    Alone,
    /// With this replica, and the store is being told.
    Moving(Option<Outcome>),
}

#[derive(Debug)]
struct Entry {
    change: PoolChange,
    place: Place,
}

/// Whether a service that is to be forgotten is being told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forget {
    Due,
    Moving,
    /// Being told of, and due again.
    Both,
}

/// What is under way, and what is to be told.
#[derive(Debug, Default)]
pub(in crate::store) struct Changes {
    open: HashMap<ChangeId, Entry>,
    ends: VecDeque<Word>,
    forgets: HashMap<Sid, Forget>,
    /// What was seen of which service: a number, or that there may be others than are known.
    seen: VecDeque<(Sid, Option<(Sid, PoolKind)>)>,
}

impl Changes {
    /// A change asks for room.
    pub(in crate::store) fn begin(&mut self, id: ChangeId, change: PoolChange) {
        self.open.insert(id, Entry { change, place: Place::Nowhere });
    }

    /// The store is about to be asked.
    pub(in crate::store) fn asked(&mut self, id: ChangeId) {
        self.place(id, Place::Asked);
    }

    /// The store holds its room.
    pub(in crate::store) fn held(&mut self, id: ChangeId) {
        self.place(id, Place::Store);
    }

    /// This replica has decided about it by itself.
    pub(in crate::store) fn alone(&mut self, id: ChangeId) {
        self.place(id, Place::Alone);
    }

    fn place(&mut self, id: ChangeId, place: Place) {
        if let Some(entry) = self.open.get_mut(&id) {
            entry.place = place;
        }
    }

    /// The store has answered, and does not hold it.
    pub(in crate::store) fn not_held(&mut self, id: ChangeId) {
        self.place(id, Place::Nowhere);
    }

    /// A change has ended. Answers what to wait for, where the store holds its room.
    pub(in crate::store) fn end(&mut self, id: ChangeId, outcome: Outcome) -> Option<Receipt> {
        let Entry { change, place } = self.open.remove(&id)?;
        match place {
            Place::Nowhere => None,
            Place::Asked | Place::Store => {
                let (tell, told) = oneshot::channel();
                self.ends.push_back(Word::End { id, change, outcome, tell: Some(tell) });
                Some(Receipt(told))
            }
            Place::Alone => {
                self.ended_alone(change.service, outcome);
                None
            }
            Place::Moving(_) => {
                let place = Place::Moving(Some(outcome));
                self.open.insert(id, Entry { change, place });
                None
            }
        }
    }

    fn ended_alone(&mut self, service: Sid, outcome: Outcome) {
        match outcome {
            Outcome::Refused => {}
            Outcome::Granted { .. } | Outcome::Unknown => self.forget(service),
        }
    }

    /// Nothing that the store knows of a service is to be believed.
    pub(in crate::store) fn forget(&mut self, service: Sid) {
        let state = self.forgets.entry(service).or_insert(Forget::Due);
        if *state == Forget::Moving {
            *state = Forget::Both;
        }
    }

    /// A number was seen in a pool; or, where there is none, something that tells that there may be
    /// other numbers than are known.
    pub(in crate::store) fn seen(&mut self, service: Sid, number: Option<(Sid, PoolKind)>) {
        if self.seen.len() < MOST_SEEN {
            self.seen.push_back((service, number));
        }
    }

    /// Whether the store knows all of a service that it has to.
    pub(in crate::store) fn is_clear(&self, service: Sid) -> bool {
        let is_own = |entry: &Entry| {
            entry.change.service == service
                && matches!(entry.place, Place::Alone | Place::Moving(_))
        };
        !self.forgets.contains_key(&service) && !self.open.values().any(is_own)
    }

    /// The data of a bucket is other data: nothing under way is in it.
    pub(in crate::store) fn adopt(&mut self, bucket: Bucket) {
        for entry in self.open.values_mut() {
            if entry.place == Place::Store && Bucket::of(entry.change.service) == bucket {
                entry.place = Place::Alone;
            }
        }
    }

    /// Whether anything is to be told in these buckets of what has ended.
    pub(in crate::store) fn owes(&self, of: impl Fn(Bucket) -> bool) -> bool {
        self.ends.iter().any(|word| of(word.bucket()))
            || self.forgets.keys().any(|service| of(Bucket::of(*service)))
    }

    /// Takes some of what is to be told in these buckets, in the order in which it is to be told.
    /// Each word is to be [`told`](Self::told) or [`untold`](Self::untold).
    pub(in crate::store) fn take(
        &mut self,
        most: usize,
        of: impl Fn(Bucket) -> bool,
    ) -> Vec<Word> {
        let is_its = |service: Sid| of(Bucket::of(service));
        let mut words = Vec::new();
        for (id, entry) in &mut self.open {
            if entry.place == Place::Alone && is_its(entry.change.service) && words.len() < most
            {
                entry.place = Place::Moving(None);
                words.push(Word::Hold { id: *id, change: entry.change });
            }
        }
        for word in mem::take(&mut self.ends) {
            if words.len() < most && of(word.bucket()) {
                words.push(word);
            } else {
                self.ends.push_back(word);
            }
        }
        for (service, state) in &mut self.forgets {
            if *state == Forget::Due && is_its(*service) && words.len() < most {
                *state = Forget::Moving;
                words.push(Word::Forget { service: *service });
            }
        }
        self.take_seen(is_its, &mut words);
        words
    }

    /// One call for as many numbers of one service as go into it.
    fn take_seen(&mut self, is_its: impl Fn(Sid) -> bool, words: &mut Vec<Word>) {
        let first = self.seen.iter().position(|(service, _)| is_its(*service));
        let Some((service, number)) = first.and_then(|place| self.seen.remove(place)) else {
            return;
        };
        let mut numbers: Vec<_> = number.into_iter().collect();
        self.seen.retain(|(of, number)| {
            let Some(number) = number.filter(|_| *of == service) else { return true };
            let is_taken = !numbers.is_empty() && numbers.len() < SEEN_AT_ONCE;
            if is_taken {
                numbers.push(number);
            }
            !is_taken
        });
        words.push(Word::Seen { service, numbers });
    }

    /// The store knows.
    pub(in crate::store) fn told(&mut self, word: Word) {
        match word {
            Word::Hold { id, .. } => {
                let Some(entry) = self.open.get_mut(&id) else { return };
                let ended = entry.place;
                entry.place = Place::Store;
                if let Place::Moving(Some(outcome)) = ended {
                    drop(self.end(id, outcome));
                }
            }
            Word::End { tell, .. } => {
                if let Some(tell) = tell {
                    // Nobody waits for it where the client has left.
                    let _heard = tell.send(());
                }
            }
            Word::Forget { service } => match self.forgets.get_mut(&service) {
                Some(state @ Forget::Both) => *state = Forget::Due,
                Some(Forget::Due | Forget::Moving) | None => {
                    self.forgets.remove(&service);
                }
            },
            Word::Seen { .. } => {}
        }
    }

    /// The store may not know.
    pub(in crate::store) fn untold(&mut self, word: Word) {
        match word {
            Word::Hold { id, .. } => {
                let Some(entry) = self.open.get_mut(&id) else { return };
                let ended = entry.place;
                entry.place = Place::Alone;
                if let Place::Moving(Some(outcome)) = ended {
                    drop(self.end(id, outcome));
                }
            }
            Word::End { .. } => self.ends.push_front(word),
            Word::Forget { service } => {
                self.forgets.insert(service, Forget::Due);
            }
            // The next count sees them too.
            Word::Seen { .. } => {}
        }
    }

    /// How many changes are under way, and how many words are to be told.
    pub(in crate::store) fn sizes(&self) -> (usize, usize) {
        let is_untold = |entry: &&Entry| matches!(entry.place, Place::Alone | Place::Moving(_));
        let untold = self.open.values().filter(is_untold).count();
        let words = self.ends.len().saturating_add(self.forgets.len());
        (self.open.len(), untold.saturating_add(words))
    }
}
