//! How is the store asked about pools? The library's functions with their arguments.

use std::time::Duration;

use redis::Cmd;

use crate::policy::pools::ByKind;
use crate::policy::pools::PoolKind;
use crate::sid::Sid;
use crate::store::key::Bucket;
use crate::store::key::list_name;
use crate::store::key::pools_name;
use crate::store::library::Function;
use crate::store::library::Library;
use crate::store::pools::ChangeId;
use crate::store::pools::CountKey;
use crate::store::pools::Insistence;
use crate::store::pools::Outcome;
use crate::store::pools::PoolChange;
use crate::store::pools::RoomQuestion;
use crate::store::pools::Word;
use crate::time;

/// What the library calls a pool.
const fn letter(kind: PoolKind) -> &'static str {
    match kind {
        PoolKind::Reserved => "r",
        PoolKind::Unreserved => "u",
    }
}

/// A number by name; an empty text where it has none.
fn name(number: Option<Sid>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

impl Library {
    fn of_service(&self, function: Function, service: Sid) -> Cmd {
        self.call(function, Bucket::of(service), &[pools_name(service)])
    }

    fn of_count(&self, function: Function, CountKey { id, service }: CountKey) -> Cmd {
        let keys = [pools_name(service), list_name(service)];
        let mut call = self.call(function, Bucket::of(service), &keys);
        call.arg(id.to_string());
        call
    }

    /// Asks for room.
    pub(in crate::store) fn claim(&self, question: &RoomQuestion) -> Cmd {
        let RoomQuestion { id, change, insistence, limits } = question;
        let mut call = self.of_service(Function::Claim, change.service);
        let is_meant = |kind: &PoolKind| *change.kinds.get(*kind);
        let kinds: String = PoolKind::ALL.into_iter().filter(is_meant).map(letter).collect();
        let insistence = match insistence {
            Insistence::Enforce => "e",
            Insistence::Trial => "s",
            Insistence::Always => "h",
        };
        call.arg(id.to_string()).arg(kinds).arg(name(change.number));
        call.arg(if change.is_strange { "s" } else { "k" }).arg(insistence);
        call.arg(limits.reserved).arg(limits.unreserved).arg(time::micros(change.lease));
        call
    }

    /// Tells what became of a change.
    fn end(&self, id: ChangeId, change: &PoolChange, outcome: Outcome) -> Cmd {
        let (function, arguments) = match outcome {
            Outcome::Granted { number, kind } => {
                let kind = if change.is_removal() {
                    "x"
                } else {
                    kind.or_else(|| change.sole()).map_or("", letter)
                };
                (Function::Commit, vec![name(change.number.or(number)), kind.to_owned()])
            }
            Outcome::Refused => (Function::Return, vec!["r".to_owned()]),
            Outcome::Unknown => (Function::Return, vec!["l".to_owned()]),
        };
        let mut call = self.of_service(function, change.service);
        call.arg(id.to_string()).arg(arguments);
        call
    }

    /// Tells of what happened without the store, or is not known to it yet.
    pub(in crate::store) fn tell(&self, word: &Word) -> Cmd {
        match word {
            Word::Hold { id, change } => self.claim(&RoomQuestion {
                id: *id,
                change: *change,
                insistence: Insistence::Always,
                limits: ByKind::default(),
            }),
            Word::End { id, change, outcome, tell: _ } => self.end(*id, change, *outcome),
            Word::Forget { service } => self.of_service(Function::Forget, *service),
            Word::Seen { service, numbers } => {
                let mut call = self.of_service(Function::Seen, *service);
                for (number, kind) in numbers {
                    call.arg(number.to_string()).arg(letter(*kind));
                }
                call
            }
        }
    }

    /// Asks whose turn it is to count; the turn ends after `lease`. `before`: when the numbers were
    /// counted before the caller began to wait.
    pub(in crate::store) fn begin_count(
        &self,
        count: CountKey,
        lease: Duration,
        before: Option<u64>,
    ) -> Cmd {
        let mut call = self.of_count(Function::BeginCount, count);
        call.arg(time::micros(lease)).arg(before);
        call
    }

    /// Hands in a part of the list.
    pub(in crate::store) fn count_page(
        &self,
        count: CountKey,
        page: &[(Sid, PoolKind)],
    ) -> Cmd {
        let mut call = self.of_count(Function::CountPage, count);
        for (number, kind) in page {
            call.arg(number.to_string()).arg(letter(*kind));
        }
        call
    }

    /// Ends a count: the list is read, and is this account's; or it could not be, `refused` by the
    /// upstream or not.
    pub(in crate::store) fn end_count(
        &self,
        count: CountKey,
        outcome: Result<Option<Sid>, bool>,
    ) -> Cmd {
        let mut call = self.of_count(Function::EndCount, count);
        let (word, account) = match outcome {
            Ok(account) => ("c", name(account)),
            Err(true) => ("r", String::new()),
            Err(false) => ("f", String::new()),
        };
        call.arg(word).arg(account);
        call
    }
}
