//! A request's and a count's questions to the store about pools, over its worker's connection.
//!
//! Each has an own name, so it may be put again: unlike a window's it counts once.

use std::time::Duration;

use redis::Cmd;
use redis::Value;

use crate::policy::pools::PoolKind;
use crate::sid::Sid;
use crate::store::Links;
use crate::store::fault::Fault;
use crate::store::key::Bucket;
use crate::store::library::Library;
use crate::store::pools::CountKey;
use crate::store::pools::PoolStanding;
use crate::store::pools::RoomQuestion;
use crate::store::pools::RoomSaid;
use crate::store::pools::Turn;
use crate::store::pools::said;

/// So many numbers are handed in with one call.
const PAGE: usize = 500;

impl Links {
    /// Calls until there is an answer, or the server is lost.
    async fn call_again(
        &self,
        bucket: Bucket,
        call: impl Fn(&Library) -> Cmd,
    ) -> Result<Value, Fault> {
        loop {
            match self.call(bucket, &call).await {
                Err(Fault::Late) => {}
                answered => return answered,
            }
        }
    }

    /// Asks for room. Also answers how the pools stand, and the account that they were counted for.
    pub async fn room(
        &self,
        question: &RoomQuestion,
    ) -> Result<(PoolStanding, RoomSaid, Option<Sid>), Fault> {
        let bucket = Bucket::of(question.change.service);
        let value = self.call_again(bucket, |library| library.claim(question)).await?;
        let now = self.now();
        let (heard, said) = said::claim(value, now)?;
        self.store().hear(bucket, heard, now);
        Ok(said)
    }

    /// Asks whose turn it is to count a service; the turn ends after `lease`. Whoever has waited says
    /// when the numbers were counted before that.
    pub async fn begin_count(
        &self,
        count: CountKey,
        lease: Duration,
        before: Option<u64>,
    ) -> Result<(PoolStanding, Turn), Fault> {
        let bucket = Bucket::of(count.service);
        let value = self
            .call_again(bucket, |library| library.begin_count(count, lease, before))
            .await?;
        let now = self.now();
        let (heard, said) = said::turn(value, now)?;
        self.store().hear(bucket, heard, now);
        Ok(said)
    }

    /// Hands the list in, which is this account's. Answers how the pools stood before and stand now;
    /// none where the turn had ended meanwhile.
    pub async fn finish_count(
        &self,
        count: CountKey,
        list: &[(Sid, PoolKind)],
        account: Option<Sid>,
    ) -> Result<Option<[PoolStanding; 2]>, Fault> {
        let bucket = Bucket::of(count.service);
        let mut before = PoolStanding::default();
        // An empty list is told too: the answer says how the pools stand.
        for page in list.chunks(PAGE).chain(list.is_empty().then_some(list)) {
            let value =
                self.call_again(bucket, |library| library.count_page(count, page)).await?;
            let (_, (standing, is_ours)) = said::counted(value, self.now())?;
            if !is_ours {
                return Ok(None);
            }
            before = standing;
        }
        let value =
            self.call_again(bucket, |library| library.end_count(count, Ok(account))).await?;
        let now = self.now();
        let (heard, (after, is_ours)) = said::counted(value, now)?;
        self.store().hear(bucket, heard, now);
        Ok(is_ours.then_some([before, after]))
    }

    /// The list could not be read; the upstream `refused` it, or not. Where the store does not hear
    /// it, the turn ends by itself.
    pub async fn give_up_count(&self, count: CountKey, refused: bool) {
        let bucket = Bucket::of(count.service);
        drop(self.call_again(bucket, |library| library.end_count(count, Err(refused))).await);
    }
}
