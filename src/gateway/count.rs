//! How many numbers does a service have? Its lists are read in the name of the client at hand,
//! for all who wait.

use std::sync::Arc;

use tokio::time;

use crate::classify::RequestClass;
use crate::forward::Forwarder;
use crate::gateway::Shared;
use crate::gateway::listing::Errand;
use crate::gateway::listing::ListFault;
use crate::gateway::listing::Listed;
use crate::observe::Observer;
use crate::policy::Policy;
use crate::policy::endpoint::Endpoint;
use crate::pool::CountOutcome;
use crate::pool::Counting;
use crate::sid::Sid;

/// One count, apart from the request that was the reason for it.
pub(super) struct Count {
    pub(super) shared: Arc<Shared>,
    pub(super) forwarder: Forwarder,
    pub(super) observer: Observer,
    pub(super) policy: Arc<Policy>,
    pub(super) errand: Errand,
    pub(super) class: RequestClass,
    pub(super) service: Sid,
}

impl Count {
    /// Counts, within its time, and tells what came of it.
    pub(super) async fn run(self, mut counting: Counting) {
        let limits = &self.policy.limits.pools;
        let numbers = time::timeout(limits.count_timeout, self.numbers()).await;
        let now = self.shared.clock.now();
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
