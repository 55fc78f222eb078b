//! What would be decided now where windows are shared? As [`sharing`](crate::sharing) decides, for a
//! request that is not made.
//!
//! **Invariant:** asking charges nothing, here and in the store.

use std::time::Duration;

use crate::admit::Denial;
use crate::admit::Explanation;
use crate::admit::Inquiry;
use crate::admit::NO_SHARE;
use crate::admit::RateDenial;
use crate::admit::Share;
use crate::admit::Terms;
use crate::admit::key::WindowKey;
use crate::admit::window::Bound;
use crate::gateway::Shared;
use crate::policy::Policy;
use crate::policy::rate::Mode;
use crate::policy::store::OnLoss;
use crate::sharing::bound;
use crate::sharing::shared_key;
use crate::sid::Sid;
use crate::store::Epoch;
use crate::store::Fault;
use crate::store::Keep;
use crate::store::Loss;
use crate::store::Question;
use crate::store::Said;
use crate::store::SharedKey;
use crate::store::Stance;
use crate::store::Store;
use crate::store::StoreCharge;
use crate::time::Tick;

/// What the store has to do with a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSays {
    /// Who decides.
    pub decides: Decides,
    /// How many are taken of the shared window; none where the store was not asked, or did not say.
    pub taken: Option<u32>,
    /// Why it did not say.
    pub fault: Option<Fault>,
}

/// Who decides on a request for a shared window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decides {
    /// This replica's own window, then the store.
    Store,
    /// The same, and this replica keeps to its share.
    Both,
    /// This replica alone, by what `on_loss` says.
    Replica,
}

impl Decides {
    /// Its word on pages.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Both => "both",
            Self::Replica => "replica",
        }
    }
}

/// How a question is judged.
struct Judged {
    decides: Decides,
    /// In which epoch the store is asked, where it is.
    epoch: Option<Epoch>,
    /// Whether this replica does without the store; otherwise the store's data is lost. None where
    /// neither is so.
    lost: Option<bool>,
}

impl Shared {
    /// What would be decided now on a request with the credentials of this account, and what the
    /// store, where there is one, has to do with it.
    pub async fn explain<'p>(
        &self,
        policy: &'p Policy,
        key: WindowKey,
        account: Option<Sid>,
    ) -> (Explanation<'p>, Option<StoreSays>) {
        let now = self.clock.now();
        let inquiry = Inquiry { key, account, limit: None };
        let explained = self.admission.explain(policy, &inquiry, now);
        let shared = self.store.as_ref().zip(shared_key(&key));
        match shared {
            Some((store, shared)) if explained.rule.mode != Mode::Off => {
                let (explained, says) =
                    self.explain_shared(policy, &inquiry, (store, shared), explained).await;
                (explained, Some(says))
            }
            Some(_) | None => (explained, None),
        }
    }

    async fn explain_shared<'p>(
        &self,
        policy: &'p Policy,
        inquiry: &Inquiry,
        (store, key): (&Store, SharedKey),
        whole: Explanation<'p>,
    ) -> (Explanation<'p>, StoreSays) {
        let now = self.clock.now();
        let terms = Terms::of_rule(whole.rule, inquiry.key);
        let judged = judged(store, key, &terms, now);
        let on_loss = store.config.on_loss;
        let mut explained = match (judged.decides, on_loss) {
            (Decides::Store, _) | (_, OnLoss::LocalFull) => whole,
            (Decides::Both | Decides::Replica, OnLoss::LocalShare) => {
                let part = store.part(key.bucket(), terms.span, now);
                let (limit, replicas) = (&whole.rule.limit, part.replicas());
                let own = || self.admission.held(&inquiry.key, limit, now);
                let most = judged.lost.and_then(|is_lost| {
                    let loss = Loss { limit, replicas, is_lost, now };
                    store.ledger.would_allow(key, loss, own)
                });
                self.by_share(policy, inquiry, whole, Share { part, most, under_way: 0 })
            }
            (Decides::Both | Decides::Replica, OnLoss::Open) => open(whole),
            (Decides::Both | Decides::Replica, OnLoss::Closed) => {
                refused(whole, Denial::StoreLost)
            }
        };
        let mut says = StoreSays { decides: judged.decides, taken: None, fault: store.fault() };
        if let Some(epoch) = judged.epoch {
            let keep = Keep { admissions: terms.admissions, span: terms.span };
            let (limit, charge) = (&terms.rule.limit, StoreCharge::Nothing);
            let question = Question { key, limit, keep, charge, epoch };
            match store.peek(&question, &self.clock).await {
                Ok(said) => explained = told(explained, &mut says, &said),
                Err(fault) => says.fault = Some(fault),
            }
        }
        (explained, says)
    }

    fn by_share<'p>(
        &self,
        policy: &'p Policy,
        inquiry: &Inquiry,
        whole: Explanation<'p>,
        share: Share,
    ) -> Explanation<'p> {
        let Some(limit) = share.of(&whole.rule.limit) else {
            let denial = rate_denial(&whole, NO_SHARE, Bound::Window);
            return refused(whole, denial);
        };
        let inquiry = Inquiry { limit: Some(limit), ..*inquiry };
        self.admission.explain(policy, &inquiry, self.clock.now())
    }
}

/// Who decides, as [`sharing`](crate::sharing) does.
fn judged(store: &Store, key: SharedKey, terms: &Terms<'_>, now: Tick) -> Judged {
    let alone = Judged { decides: Decides::Replica, epoch: None, lost: Some(true) };
    if !store.answers(key.bucket()) {
        return alone;
    }
    let is_local = matches!(store.config.on_loss, OnLoss::LocalShare | OnLoss::LocalFull);
    // A remembered refusal is the store's word too, so it is asked anew.
    match store.ledger.stance(key, None, terms.span, now) {
        Stance::Ask(epoch) => {
            Judged { decides: Decides::Store, epoch: Some(epoch), lost: None }
        }
        // What this replica has to hand in first, a request would have handed in.
        Stance::Share { epoch, is_new } | Stance::Seed { epoch, is_new } if is_local => {
            let lost = is_new.then_some(false);
            Judged { decides: Decides::Both, epoch: Some(epoch), lost }
        }
        Stance::Share { .. } | Stance::Seed { .. } | Stance::Refused(_) | Stance::Alone => {
            alone
        }
    }
}

/// What the store has said is the decision, where this replica would not refuse itself.
fn told<'p>(explained: Explanation<'p>, says: &mut StoreSays, said: &Said) -> Explanation<'p> {
    match said {
        Said::Admitted { count, .. } => {
            says.taken = Some(count.taken);
            explained
        }
        Said::Denied { retry_after, bound: by, count } => {
            says.taken = Some(count.taken);
            if explained.denial.is_some() || explained.on_trial.is_some() {
                return explained;
            }
            let denial = rate_denial(&explained, *retry_after, bound(*by));
            refused(explained, denial)
        }
        Said::OtherEpoch => {
            says.decides = Decides::Replica;
            explained
        }
    }
}

fn rate_denial(explained: &Explanation<'_>, retry_after: Duration, by: Bound) -> Denial {
    let (limit, set_by) = (explained.rule.limit, explained.rule.set_by.clone());
    Denial::Rate(RateDenial { limit, by, retry_after, set_by, standing: None })
}

/// The same where this is why it would be refused, or would be if its rule were not on trial.
fn refused(explained: Explanation<'_>, denial: Denial) -> Explanation<'_> {
    match (explained.rule.mode, &denial) {
        (Mode::Enforce, _) | (_, Denial::StoreLost) => {
            Explanation { denial: Some(denial), on_trial: None, ..explained }
        }
        (Mode::Shadow | Mode::Off, _) => Explanation { on_trial: Some(denial), ..explained },
    }
}

/// The same where rates refuse nobody.
fn open(explained: Explanation<'_>) -> Explanation<'_> {
    let is_cap = |denial: &Denial| !matches!(denial, Denial::Rate(_));
    let Explanation { denial, .. } = explained;
    Explanation { denial: denial.filter(is_cap), on_trial: None, ..explained }
}
