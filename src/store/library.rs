//! How is a function of the library called? By its name, or as a script where a server has no
//! functions, or does not let this user load them.

use std::num::NonZeroU32;

use redis::Cmd;
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use redis::cmd;
use siphasher::sip::SipHasher13;

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
/// The name of the library in its source, of the format of the data.
const FORMAT: &str = "maskgate_1";
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

    /// Its name in a library of this name.
    fn name(self, library: &str) -> String {
        // `begin` by itself says nothing.
        let name = if self == Self::Epoch { "epoch" } else { self.local_name() };
        format!("{library}_{name}")
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
pub(super) struct Library {
    /// By which command.
    command: &'static str,
    /// By which names, in the order of [`Function::index`]: those that they are registered under, or
    /// the hashes of scripts.
    names: Vec<String>,
}

/// The library's own name on a server: that of the format and of the source, so that the libraries of
/// two versions of this program are there side by side.
fn library_name() -> String {
    let hash = SipHasher13::new_with_keys(0, 0).hash(SOURCE.as_bytes());
    format!("{FORMAT}_{hash:016x}")
}

impl Library {
    /// Makes sure that the library is there.
    pub(super) async fn load(connection: &mut MultiplexedConnection) -> Result<Self, Fault> {
        let name = library_name();
        let loaded: Result<String, RedisError> = cmd("FUNCTION")
            .arg("LOAD")
            .arg(SOURCE.replace(FORMAT, &name))
            .query_async(connection)
            .await;
        let names = || Function::ALL.map(|function| function.name(&name)).into();
        match loaded {
            Ok(_) => return Ok(Self { command: "FCALL", names: names() }),
            Err(error) if error.to_string().contains("already exists") => {
                return Ok(Self { command: "FCALL", names: names() });
            }
            Err(error) if error.is_io_error() => return Err(error.into()),
            // An older server, or a user who may not load functions.
            Err(_) => {}
        }
        let mut names = Vec::new();
        for function in Function::ALL {
            let hash =
                cmd("SCRIPT").arg("LOAD").arg(function.script()).query_async(connection).await;
            names.push(hash?);
        }
        Ok(Self { command: "EVALSHA", names })
    }

    /// A call of a function that concerns these keys of a bucket.
    pub(super) fn call(&self, function: Function, bucket: Bucket, keys: &[String]) -> Cmd {
        let mut call = cmd(self.command);
        call.arg(self.names.get(function.index()).map_or("", String::as_str));
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
    use super::FORMAT;
    use super::Function;
    use super::REGISTERS;
    use super::SOURCE;

    #[test]
    fn every_function_is_registered_under_the_librarys_name() {
        assert!(SOURCE.starts_with(&format!("#!lua name={FORMAT}\n")));
        for function in Function::ALL {
            let name = function.name(FORMAT);
            let registered = format!("{REGISTERS}('{name}', {})\n", function.local_name());
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
