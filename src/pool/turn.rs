//! Who counts a service, and who waits for it?
//!
//! **Invariant:** a count ends once, and everybody who waits is told: of one that is dropped,
//! that nothing came of it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;

use crate::policy::pools::ByKind;
use crate::policy::pools::PoolKind;
use crate::pool::Handle;
use crate::pool::count::CountOutcome;
use crate::pool::count::Told;
use crate::sid::Sid;
use crate::time::Tick;

/// Whose turn it is to count a service.
#[derive(Debug)]
pub enum CountTurn {
    /// The caller's, and nobody else's until it has ended.
    Yours(Counting),
    /// Somebody counts it already.
    Theirs(CountWait),
    /// It was counted, or tried, less than [`COUNTS_APART`](super::COUNTS_APART) ago: one may
    /// begin in so long.
    TooSoon(Duration),
}

/// A count that the caller has to make. Dropped, nothing has come of it.
#[derive(Debug)]
#[must_use = "dropped at once, nothing comes of the count"]
pub struct Counting {
    service: Handle,
    account: Option<Sid>,
    tell: Option<watch::Sender<Option<CountOutcome>>>,
}

impl Counting {
    pub(super) const fn new(
        service: Handle,
        account: Option<Sid>,
        tell: watch::Sender<Option<CountOutcome>>,
    ) -> Self {
        Self { service, account, tell: Some(tell) }
    }

    /// The list says whose numbers they are: that is taken where the caller's account is not
    /// known.
    pub fn told_account(&mut self, account: Option<Sid>) {
        self.account = self.account.or(account);
    }

    /// The upstream's list is read to its end. Answers, for each kind, by how many numbers there
    /// are more than was thought; zero where nothing was thought before.
    pub fn finish(mut self, numbers: HashMap<Sid, PoolKind>, now: Tick) -> ByKind<i64> {
        let account = self.account;
        let drift = self.service.with(|service| {
            service.account = account.or(service.account);
            service.counted(numbers, now)
        });
        self.tell(CountOutcome::Counted);
        drift
    }

    /// The service is counted, and not for this replica alone: the store that is shared knows.
    pub fn shared(mut self) {
        self.service.with(|service| service.count.give_up(CountOutcome::Refused));
        self.tell(CountOutcome::Counted);
    }

    /// What the list says is not to be believed any more, as others have decided meanwhile. Whoever waits
    /// asks again.
    pub fn overtaken(mut self) {
        self.service.with(|service| service.count.give_up(CountOutcome::Failed));
        self.tell(CountOutcome::Counted);
    }

    /// The upstream has answered the list with 4xx. Another caller may try at once.
    pub fn refused(mut self) {
        self.give_up(CountOutcome::Refused);
    }

    /// The list could not be read, or not in time.
    pub fn failed(mut self) {
        self.give_up(CountOutcome::Failed);
    }

    fn give_up(&mut self, outcome: CountOutcome) {
        self.service.with(|service| service.count.give_up(outcome));
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: CountOutcome) {
        if let Some(tell) = self.tell.take() {
            tell.send_replace(Some(outcome));
        }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        if self.tell.is_some() {
            self.service.with(|service| service.count.give_up(CountOutcome::Failed));
        }
    }
}

/// Somebody else's count. May be waited for on any thread, by any number.
#[derive(Clone, Debug)]
pub struct CountWait(Told);

impl CountWait {
    pub(super) const fn new(told: Told) -> Self {
        Self(told)
    }

    /// What becomes of the count; none where it is dropped, as with the worker that it runs on.
    pub async fn outcome(mut self) -> Option<CountOutcome> {
        let told = self.0.wait_for(Option::is_some).await;
        told.ok().and_then(|outcome| *outcome)
    }
}
