//! How is a function of the library called? By its name, or as a script where a server has no
//! functions, or does not let this user load them.

use std::num::NonZeroU32;

use redis::Cmd;
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use redis::cmd;

use crate::policy::rate::RateLimit;
use crate::store::fault::Fault;
use crate::store::key::Bucket;
use crate::store::key::SharedKey;
use crate::store::ledger::GiveBack;
use crate::store::owed::Debt;
use crate::store::owed::Keep;
use crate::store::place::LEASE;
use crate::store::place::Place;
use crate::store::trust::Epoch;
use crate::time;
use crate::time::Tick;

/// Both parts, as FUNCTION LOAD takes them: windows, and behind them pools.
const SOURCE: &str = concat!(include_str!("maskgate.lua"), include_str!("pools.lua"));
/// How a line begins that registers a function, which a script has not.
const REGISTERS: &str = "redis.register_function";

/// A function of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Admit,
    GiveBack,
    Push,
    Epoch,
    Place,
    Claim,
    Commit,
    Return,
    BeginCount,
    CountPage,
    EndCount,
    Seen,
    Forget,
}

impl Function {
    const ALL: [Self; 13] = [
        Self::Admit,
        Self::GiveBack,
        Self::Push,
        Self::Epoch,
        Self::Place,
        Self::Claim,
        Self::Commit,
        Self::Return,
        Self::BeginCount,
        Self::CountPage,
        Self::EndCount,
        Self::Seen,
        Self::Forget,
    ];

    /// Its name with the version of the library, so that two versions can be there at once.
    const fn name(self) -> &'static str {
        match self {
            Self::Admit => "maskgate_1_admit",
            Self::GiveBack => "maskgate_1_give_back",
            Self::Push => "maskgate_1_push",
            Self::Epoch => "maskgate_1_epoch",
            Self::Place => "maskgate_1_place",
            Self::Claim => "maskgate_1_pool_claim",
            Self::Commit => "maskgate_1_pool_commit",
            Self::Return => "maskgate_1_pool_return",
            Self::BeginCount => "maskgate_1_pool_recount_begin",
            Self::CountPage => "maskgate_1_pool_recount_page",
            Self::EndCount => "maskgate_1_pool_recount_end",
            Self::Seen => "maskgate_1_pool_seen",
            Self::Forget => "maskgate_1_pool_forget",
        }
    }

    /// Its name within the source.
    const fn local_name(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::GiveBack => "give_back",
            Self::Push => "push",
            Self::Epoch => "begin",
            Self::Place => "place",
            Self::Claim => "pool_claim",
            Self::Commit => "pool_commit",
            Self::Return => "pool_return",
            Self::BeginCount => "pool_recount_begin",
            Self::CountPage => "pool_recount_page",
            Self::EndCount => "pool_recount_end",
            Self::Seen => "pool_seen",
            Self::Forget => "pool_forget",
        }
    }

    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    const fn index(self) -> usize {
        self as usize
    }

    /// The source of a script that is this function.
    fn script(self) -> String {
        let is_of_both = |line: &&str| !line.starts_with(REGISTERS);
        // The first line names the library.
        let lines: Vec<_> = SOURCE.lines().skip(1).filter(is_of_both).collect();
        format!("{}\nreturn {}(KEYS, ARGV)", lines.join("\n"), self.local_name())
    }
}

/// What is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreCharge {
    /// The request, if it is admitted.
    Admitted,
    /// The request in either case.
    Offered,
    /// Nothing: it is only asked about.
    Nothing,
}

/// A question about one request.
#[derive(Clone, Copy, Debug)]
pub struct Question<'l> {
    /// Which window.
    pub key: SharedKey,
    /// What it is judged by.
    pub limit: &'l RateLimit,
    /// How much of it is to be remembered: no less than the limit asks for.
    pub keep: Keep,
    /// What is charged.
    pub charge: StoreCharge,
    /// The epoch that is believed in.
    pub epoch: Epoch,
}

/// How the functions of one server are called.
#[derive(Clone, Debug)]
pub(super) enum Library {
    /// By their names.
    Functions,
    /// By the hashes of scripts, in the order of [`Function::index`].
    Scripts(Vec<String>),
}

impl Library {
    /// Makes sure that the library is there. Another version of it may be there too.
    pub(super) async fn load(connection: &mut MultiplexedConnection) -> Result<Self, Fault> {
        let loaded: Result<String, RedisError> =
            cmd("FUNCTION").arg("LOAD").arg(SOURCE).query_async(connection).await;
        match loaded {
            Ok(_) => return Ok(Self::Functions),
            Err(error) if error.to_string().contains("already exists") => {
                return Ok(Self::Functions);
            }
            Err(error) if error.is_io_error() => return Err(error.into()),
            // An older server, or a user who may not load functions.
            Err(_) => {}
        }
        let mut hashes = Vec::new();
        for function in Function::ALL {
            let hash =
                cmd("SCRIPT").arg("LOAD").arg(function.script()).query_async(connection).await;
            hashes.push(hash?);
        }
        Ok(Self::Scripts(hashes))
    }

    /// A call of a function that concerns these keys of a bucket.
    pub(super) fn call(&self, function: Function, bucket: Bucket, keys: &[String]) -> Cmd {
        let mut call = match self {
            Self::Functions => cmd("FCALL"),
            Self::Scripts(_) => cmd("EVALSHA"),
        };
        match self {
            Self::Functions => call.arg(function.name()),
            Self::Scripts(hashes) => {
                call.arg(hashes.get(function.index()).map_or("", String::as_str))
            }
        };
        call.arg(keys.len().saturating_add(1)).arg(bucket.epoch_name()).arg(keys);
        call
    }

    /// Decides one request.
    pub(super) fn admit(&self, question: &Question<'_>) -> Cmd {
        let Question { key, limit, keep, charge, epoch } = *question;
        let mut call = self.call(Function::Admit, key.bucket(), &[key.name()]);
        let charge = match charge {
            StoreCharge::Admitted => "a",
            StoreCharge::Offered => "o",
            StoreCharge::Nothing => "n",
        };
        let burst = limit.burst_admissions().map_or(0, NonZeroU32::get);
        call.arg(epoch.0).arg(charge).arg(limit.admissions().get());
        call.arg(time::micros(limit.window())).arg(burst);
        call.arg(keep.admissions).arg(time::micros(keep.span));
        call
    }

    /// Tells of admissions that the store did not make.
    pub(super) fn push(&self, debt: &Debt, now: Tick) -> Cmd {
        let mut call = self.call(Function::Push, debt.key.bucket(), &[debt.key.name()]);
        call.arg(debt.keep.admissions).arg(time::micros(debt.keep.span));
        for at in debt.times.iter().rev() {
            call.arg(time::micros(now.since(*at)));
        }
        call
    }

    /// Takes a charge back.
    pub(super) fn give_back(&self, give_back: &GiveBack) -> Cmd {
        let GiveBack { key, charged_at } = *give_back;
        let mut call = self.call(Function::GiveBack, key.bucket(), &[key.name()]);
        call.arg(charged_at);
        call
    }

    /// Asks since when the data of a bucket has been there.
    pub(super) fn epoch(&self, bucket: Bucket) -> Cmd {
        self.call(Function::Epoch, bucket, &[])
    }

    /// Asks for a place among so many, or to keep the one that is held.
    pub(super) fn place(&self, place: &Place, replicas: NonZeroU32) -> Cmd {
        let places = Bucket::FIRST.places_name();
        let mut call = self.call(Function::Place, Bucket::FIRST, &[places]);
        // The script counts from 1, and 0 is none.
        let held = place.held().map_or(0, |held| held.saturating_add(1));
        call.arg(place.who()).arg(held).arg(replicas.get()).arg(time::micros(LEASE));
        call
    }
}

#[cfg(test)]
mod tests {
    use super::Function;
    use super::REGISTERS;
    use super::SOURCE;

    #[test]
    fn every_function_is_registered_with_the_librarys_version() {
        assert!(SOURCE.starts_with("#!lua name=maskgate_1\n"));
        for function in Function::ALL {
            let registered =
                format!("{REGISTERS}('{}', {})\n", function.name(), function.local_name());
            assert!(SOURCE.contains(&registered), "{registered}");
        }
    }

    #[test]
    fn a_script_is_the_same_source_without_what_only_a_library_has() {
        for function in Function::ALL {
            let script = function.script();
            assert!(!script.contains("register_function") && !script.starts_with("#!"));
            let ending = format!("\nreturn {}(KEYS, ARGV)", function.local_name());
            assert!(script.ends_with(&ending));
        }
    }
}
