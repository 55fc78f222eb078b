//! The store that replicas share stands otherwise than before: events, and counts of them.

use crate::observe::metrics::Metrics;
use crate::policy::store::OnLoss;
use crate::store::Condition;
use crate::store::Event;

/// Who decided on a request for a shared window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreCall {
    /// The store admitted it.
    Admitted,
    /// The store refused it.
    Denied,
    /// The store had refused another one, and had no slot yet.
    Remembered,
    /// The store has lost its data, and was not believed.
    OtherEpoch,
    /// The store did not answer in time.
    Late,
    /// The store did not answer.
    Failed,
    /// This replica decided by itself: in the three cases before, and where it did not ask.
    Alone,
}

impl StoreCall {
    /// Every result, in the order of [`index`](Self::index).
    pub const ALL: [Self; 7] = [
        Self::Admitted,
        Self::Denied,
        Self::Remembered,
        Self::OtherEpoch,
        Self::Late,
        Self::Failed,
        Self::Alone,
    ];

    /// A small number for arrays with one place for each result.
    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The result's word in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Denied => "denied",
            Self::Remembered => "remembered",
            Self::OtherEpoch => "other_epoch",
            Self::Late => "late",
            Self::Failed => "failed",
            Self::Alone => "alone",
        }
    }
}

/// What a request for room in a pool that is shared came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomCall {
    /// The store holds room for it.
    Held,
    /// The pool is full.
    Full,
    /// Strangers hold the last places: it asks again.
    Contested,
    /// The numbers have to be counted: it asks again.
    Uncounted,
    /// The store did not answer: it asks again, or this replica decides.
    Failed,
    /// This replica decided by itself.
    Alone,
}

impl RoomCall {
    /// Every result, in the order of [`index`](Self::index).
    pub const ALL: [Self; 6] =
        [Self::Held, Self::Full, Self::Contested, Self::Uncounted, Self::Failed, Self::Alone];

    /// A small number for arrays with one place for each result.
    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The result's word in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Full => "full",
            Self::Contested => "contested",
            Self::Uncounted => "uncounted",
            Self::Failed => "failed",
            Self::Alone => "alone",
        }
    }
}

/// Reports what happens to the store.
pub fn report(metrics: &Metrics, on_loss: OnLoss, event: Event) {
    let on_loss = on_loss.label();
    match event {
        Event::Changed { condition, fault } => {
            metrics.count_store_change(condition);
            match condition {
                Condition::Trusted => tracing::info!("the store decides on shared windows"),
                Condition::Sharing => tracing::warn!(
                    on_loss,
                    "the store answers, and does not know of all admissions yet: for a window \
                     each replica decides by itself"
                ),
                Condition::Lost => {
                    let why = fault.map_or_else(String::new, |fault| fault.to_string());
                    tracing::warn!(on_loss, why, "the store is lost");
                }
            }
        }
        Event::Evicts { policy } => tracing::warn!(
            policy,
            "the store drops keys when its memory is full, and a dropped window is a free burst: \
             set maxmemory-policy to noeviction"
        ),
    }
}
