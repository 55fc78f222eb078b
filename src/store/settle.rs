//! What is a server told that it has missed? What was admitted and changed without it, what became
//! of changes of numbers, and what is to be taken back.
//!
//! **Invariant:** whatever is taken to be told is owed again where the server may not have heard it;
//! but a charge to be taken back, which is not taken back twice: then it stays for its span.

use std::time::Duration;

use redis::RedisError;
use redis::Value;

use crate::store::Store;
use crate::store::answer;
use crate::store::connection::Connection;
use crate::store::fault::Fault;
use crate::store::key::Bucket;
use crate::store::trust::Heard;
use crate::time::Clock;

/// So many windows are told of at once, as many words of number pools, and for so long.
const BATCH: usize = 64;
pub(super) const BATCH_TIME: Duration = Duration::from_millis(250);

/// Tells the server of these buckets a part of what it has missed; answers whether there may be more.
pub(super) async fn settle(
    store: &Store,
    clock: &Clock,
    connection: &Connection,
    buckets: &[Bucket],
) -> Result<bool, Fault> {
    let windows = settle_windows(store, clock, connection, buckets).await?;
    let pools = settle_pools(store, clock, connection, buckets).await?;
    Ok(windows || pools)
}

/// Tells of windows; answers whether there was anything to be told.
async fn settle_windows(
    store: &Store,
    clock: &Clock,
    connection: &Connection,
    buckets: &[Bucket],
) -> Result<bool, Fault> {
    let ledger = &store.ledger;
    let is_its = |bucket: Bucket| buckets.contains(&bucket);
    let now = clock.now();
    let debts = ledger.debts(BATCH, is_its, now);
    let give_backs = ledger.give_backs(is_its);
    if debts.is_empty() && give_backs.is_empty() {
        return Ok(false);
    }
    let mut all = redis::pipe();
    for debt in &debts {
        all.add_command(connection.library.push(debt, now));
    }
    for give_back in &give_backs {
        all.add_command(connection.library.give_back(give_back));
    }
    let told = told(clock, connection.call_all(all, BATCH_TIME).await);
    // What it has refused meanwhile, it would not now.
    for give_back in &give_backs {
        ledger.forget_refusal(give_back.key);
    }
    for (place, debt) in debts.iter().enumerate() {
        let now = clock.now();
        match told.as_ref().ok().and_then(|told| told.get(place)) {
            Some(heard) => {
                ledger.paid(debt.key);
                store.hear(debt.key.bucket(), *heard, now);
            }
            None => ledger.unpaid(debt.key),
        }
    }
    told.map(|_| true)
}

/// Tells of number pools; answers whether there was anything to be told.
async fn settle_pools(
    store: &Store,
    clock: &Clock,
    connection: &Connection,
    buckets: &[Bucket],
) -> Result<bool, Fault> {
    let ledger = &store.ledger;
    let words = ledger.changes().take(BATCH, |bucket| buckets.contains(&bucket));
    if words.is_empty() {
        return Ok(false);
    }
    let mut all = redis::pipe();
    for word in &words {
        all.add_command(connection.library.tell(word));
    }
    let told = told(clock, connection.call_all(all, BATCH_TIME).await);
    for (place, word) in words.into_iter().enumerate().rev() {
        match told.as_ref().ok().and_then(|told| told.get(place)) {
            Some(heard) => {
                // In this order: what was told is in the data that answered.
                store.hear(word.bucket(), *heard, clock.now());
                ledger.changes().told(word);
            }
            None => ledger.changes().untold(word),
        }
    }
    told.map(|_| true)
}

fn told(clock: &Clock, answers: Result<Vec<Value>, RedisError>) -> Result<Vec<Heard>, Fault> {
    let now = clock.now();
    answers?.into_iter().map(|value| answer::heard(value, now)).collect()
}
