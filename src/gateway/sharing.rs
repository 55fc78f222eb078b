//! A request whose window is shared with other replicas: asks the store where
//! [`Sharing`](crate::sharing::Sharing) wants it asked, and counts what came of it.

use crate::admit::Alone;
use crate::admit::Denial;
use crate::admit::Moved;
use crate::admit::Share;
use crate::admit::Terms;
use crate::classify::RequestClass;
use crate::gateway::Gateway;
use crate::gateway::Shared;
use crate::observe::store::StoreCall;
use crate::policy::Policy;
use crate::policy::rate::Mode;
use crate::policy::rate::Part;
use crate::sharing::Admitted;
use crate::sharing::By;
use crate::sharing::Decision;
use crate::sharing::Sharing;
use crate::sharing::Step;
use crate::sharing::Ticket;
use crate::sharing::shared_key;
use crate::store::Fault;
use crate::store::Keep;
use crate::store::Links;
use crate::store::Said;
use crate::time::Tick;

impl Gateway {
    /// Admits a request where windows are shared.
    pub(super) async fn admit_shared(
        &self,
        links: &Links,
        policy: &Policy,
        class: &RequestClass,
        now: Tick,
    ) -> Result<Admitted, Denial> {
        let (admission, store) = (&self.shared.admission, links.store());
        let terms = Terms::of(policy, class);
        if terms.rule.mode == Mode::Off {
            return Ok((admission.admit(policy, class, now)?, None));
        }
        let Some(key) = shared_key(&terms.key) else {
            // Nobody knows yet whose it is.
            let part = Part::one_of(store.config.replicas);
            let share = Alone::Share(Share { part, most: None, under_way: 0 });
            return Ok((admission.admit_alone(policy, class, share, now)?, None));
        };
        let sharing = Sharing {
            admission,
            ledger: &store.ledger,
            on_loss: store.config.on_loss,
            part: store.part(key.bucket(), terms.span, now),
            policy,
            class,
            terms,
            key,
            now,
        };
        let decision = self.decide(links, &sharing).await;
        match decision.by {
            By::Remembered => self.observer.metrics.count_store_call(StoreCall::Remembered),
            By::Alone => self.observer.metrics.count_store_call(StoreCall::Alone),
            By::Both => {}
        }
        store.remind_of(key);
        decision.outcome
    }

    async fn decide(&self, links: &Links, sharing: &Sharing<'_>) -> Decision {
        let store = links.store();
        let asking = match sharing.begin(store.answers(sharing.key.bucket())) {
            Step::Decided(decision) => return decision,
            Step::Ask(asking) => asking,
        };
        // What was handed in for the first use of a window need not wait for the answer.
        store.remind_of(sharing.key);
        let clock = &self.shared.clock;
        let sent = clock.now();
        let said = links.ask(&asking.question).await;
        self.observer.metrics.observe_store(clock.now().since(sent));
        self.observer.metrics.count_store_call(match said {
            Ok(Said::Admitted { .. }) => StoreCall::Admitted,
            Ok(Said::Denied { .. }) => StoreCall::Denied,
            Ok(Said::OtherEpoch) => StoreCall::OtherEpoch,
            Err(Fault::Late) => StoreCall::Late,
            Err(_) => StoreCall::Failed,
        });
        sharing.answered(asking, said.ok(), sent)
    }
}

impl Shared {
    /// The charge of a request is given back here, so it is there too.
    pub(super) fn give_back(&self, ticket: Ticket) {
        let Some(store) = &self.store else { return };
        ticket.give_back(&store.ledger);
        store.remind(ticket.key.bucket());
    }

    /// Charges that this replica alone knew of have become those of shared windows.
    pub fn owe_moved(&self, policy: &Policy, moved: &[Moved]) {
        let Some(store) = &self.store else { return };
        for Moved { key, times } in moved {
            let Some(shared) = shared_key(key) else { continue };
            let terms = Terms::of_window(policy, *key);
            let keep = Keep { admissions: terms.admissions, span: terms.span };
            for at in times {
                store.ledger.owe(shared, keep, *at);
            }
            store.remind(shared.bucket());
        }
    }
}
