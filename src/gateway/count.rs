//! How many numbers does a service have? Its lists are read in the name of the client at hand,
//! for all who wait.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time;

use crate::classify::RequestClass;
use crate::forward::Forwarder;
use crate::gateway::Shared;
use crate::gateway::listing::Errand;
use crate::gateway::listing::ListFault;
use crate::gateway::listing::Listed;
use crate::gateway::together::WHILE_OTHERS_WORK;
use crate::gateway::together::told;
use crate::observe::Observer;
use crate::policy::Policy;
use crate::policy::endpoint::Endpoint;
use crate::policy::pools::ByKind;
use crate::pool::CountOutcome;
use crate::pool::Counting;
use crate::sid::Sid;
use crate::store::ChangeId;
use crate::store::CountKey;
use crate::store::Links;
use crate::store::PoolStance;
use crate::store::PoolStanding;
use crate::store::Turn;

/// A turn to count outlasts the count's own time by so much: what was read is handed in.
const MARGIN: Duration = Duration::from_secs(1);

/// One count, apart from the request that was the reason for it.
pub(super) struct Count {
    pub(super) shared: Arc<Shared>,
    pub(super) forwarder: Forwarder,
    pub(super) observer: Observer,
    pub(super) policy: Arc<Policy>,
    pub(super) errand: Errand,
    pub(super) class: RequestClass,
    pub(super) service: Sid,
    /// Whose credentials the lists are read with, where that is known.
    pub(super) account: Option<Sid>,
    /// Where replicas share its pools.
    pub(super) links: Option<Rc<Links>>,
    /// Who decided about them when it began, where there is a store.
    pub(super) began: Option<PoolStance>,
}

impl Count {
    /// Counts, within its time, and tells what came of it.
    pub(super) async fn run(self, counting: Counting) {
        match &self.links {
            None => self.run_alone(counting).await,
            Some(links) => self.run_together(links, counting).await,
        }
    }

    async fn run_alone(&self, mut counting: Counting) {
        let limits = &self.policy.limits.pools;
        let numbers = time::timeout(limits.count_timeout, self.numbers()).await;
        let now = self.shared.clock.now();
        if !self.is_alone_since_it_began() {
            // What was changed through the store meanwhile is not in it.
            return counting.overtaken();
        }
        let outcome = match numbers {
            Ok(Ok(Listed { numbers, account })) => {
                counting.told_account(account);
                self.observer.pool_drift(counting.finish(numbers, now));
                let rule = self.shared.pool_rule(&self.policy, &self.class, self.service);
                for near in self.shared.pools.near(self.service, rule, now) {
                    self.observer.pool_near(self.service, &near);
                }
                CountOutcome::Counted
            }
            Ok(Err(ListFault::Refused)) => {
                counting.refused();
                CountOutcome::Refused
            }
            Ok(Err(ListFault::Failed)) | Err(_) => {
                counting.failed();
                CountOutcome::Failed
            }
        };
        self.observer.pool_counted(self.service, outcome);
    }

    /// Whether this replica alone has decided about the service's pools all the while.
    fn is_alone_since_it_began(&self) -> bool {
        let was_alone = matches!(self.began, None | Some(PoolStance::Alone(_)));
        was_alone && self.shared.pool_stance(self.service) == self.began
    }

    /// The same for all replicas, one of which counts at a time.
    async fn run_together(&self, links: &Links, counting: Counting) {
        let limit = self.policy.limits.pools.count_timeout;
        let key = CountKey { id: ChangeId::draw(), service: self.service };
        let counted = time::timeout(limit, self.counted_together(links, key)).await;
        match counted.unwrap_or(Some(CountOutcome::Failed)) {
            None => counting.shared(),
            Some(outcome) => {
                match outcome {
                    CountOutcome::Counted => counting.shared(),
                    CountOutcome::Refused => {
                        links.give_up_count(key, true).await;
                        counting.refused();
                    }
                    CountOutcome::Failed => {
                        links.give_up_count(key, false).await;
                        counting.failed();
                    }
                }
                self.observer.pool_counted(self.service, outcome);
            }
        }
    }

    /// Reads the lists when it is this replica's turn, and hands them in; none where another replica
    /// has counted meanwhile, or the store is lost.
    async fn counted_together(&self, links: &Links, key: CountKey) -> Option<CountOutcome> {
        let lease = self.policy.limits.pools.count_timeout.saturating_add(MARGIN);
        let mut before = None;
        loop {
            let Ok((standing, turn)) = links.begin_count(key, lease, before).await else {
                return store_failed().await;
            };
            let wait = match turn {
                Turn::Yours => break,
                Turn::Theirs(left) | Turn::TooSoon(left) => left.min(WHILE_OTHERS_WORK),
            };
            before.get_or_insert(standing.counted_at);
            time::sleep(wait).await;
            if matches!(turn, Turn::TooSoon(_)) && standing.age.is_some() {
                return None; // that may have been enough
            }
        }
        let listed = match self.numbers().await {
            Ok(listed) => listed,
            Err(ListFault::Refused) => return Some(CountOutcome::Refused),
            Err(ListFault::Failed) => return Some(CountOutcome::Failed),
        };
        let account = self.account.or(listed.account);
        let list: Vec<_> = listed.numbers.into_iter().collect();
        match links.finish_count(key, &list, account).await {
            Ok(Some([before, after])) => {
                self.learn_counted(&before, &after, account);
                Some(CountOutcome::Counted)
            }
            // The turn has ended, or what was read is not to be believed any more.
            Ok(None) => None,
            Err(_) => store_failed().await,
        }
    }

    fn learn_counted(&self, before: &PoolStanding, after: &PoolStanding, account: Option<Sid>) {
        let now = self.shared.clock.now();
        let pools = &self.shared.pools;
        pools.told(self.service, told(after, now), account, now);
        if before.age.is_some() {
            self.observer.pool_drift(ByKind::of(|kind| {
                let [thought, found] =
                    [before, after].map(|it| i64::from(*it.numbers.get(kind)));
                found.saturating_sub(thought)
            }));
        }
        let rule = self.shared.pool_rule(&self.policy, &self.class, self.service);
        for near in pools.near(self.service, rule, now) {
            self.observer.pool_near(self.service, &near);
        }
    }

    /// Both lists.
    async fn numbers(&self) -> Result<Listed, ListFault> {
        let short_codes =
            self.policy.limits.pools.short_codes.then_some(Endpoint::ListShortCode);
        let mut all = Listed::default();
        for list in [Endpoint::ListPhoneNumber].into_iter().chain(short_codes) {
            let upstream = &self.policy.upstream;
            let listed =
                self.errand.list(&self.forwarder, upstream, list, self.service).await?;
            all.numbers.extend(listed.numbers);
            all.account = all.account.or(listed.account);
        }
        Ok(all)
    }
}

/// Whoever waits for the count looks again at who decides.
async fn store_failed() -> Option<CountOutcome> {
    time::sleep(WHILE_OTHERS_WORK).await;
    None
}
