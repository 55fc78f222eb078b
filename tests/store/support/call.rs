//! Calls of the library with their arguments and answers as values.

use std::slice;

use redis::Cmd;
use redis::Connection;
use redis::Pipeline;

use super::library::Function;
use super::library::Loaded;

/// For how long (µs) a place is kept.
pub(crate) const LEASE: u64 = 10 * super::SECOND;

/// A limit as the library is told it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) admissions: u32,
    /// In µs.
    pub(crate) span: u64,
    pub(crate) burst: Option<u32>,
}

impl Limit {
    /// The API's own.
    pub(crate) const API: Self = Self { admissions: 150, span: 5 * super::SECOND, burst: None };
}

/// What a call charges to a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charge {
    Admitted,
    Offered,
    Nothing,
}

/// One window of a call.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) key: String,
    pub(crate) charge: Charge,
    pub(crate) limit: Limit,
    /// How many charges are kept, and for how long (µs).
    pub(crate) keep: (u32, u64),
}

impl Ask {
    /// A request that keeps what its own limit needs.
    pub(crate) fn of(key: &str, limit: Limit) -> Self {
        let keep = (limit.admissions, limit.span);
        Self { key: key.to_owned(), charge: Charge::Admitted, limit, keep }
    }
}

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Window,
    Burst,
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Which of the windows, from 0.
    pub(crate) window: usize,
    /// In µs.
    pub(crate) wait: u64,
    pub(crate) by: Bound,
}

/// How a window stands after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) taken: usize,
    pub(crate) charged_at: Option<u64>,
    pub(crate) resets_in: u64,
    /// How many are taken of the burst, and in how long there is more room; zeros where there is
    /// no such bound.
    pub(crate) burst: (usize, u64),
}

/// What `admit` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) epoch: u64,
    pub(crate) now: u64,
    /// None where the epoch is another one than the caller believes in.
    pub(crate) verdict: Option<bool>,
    /// After it; with `count: offered` also the one that is no more.
    pub(crate) refusal: Option<Refusal>,
    pub(crate) windows: Vec<Standing>,
}

impl Answer {
    pub(crate) fn is_admitted(&self) -> bool {
        self.verdict == Some(true)
    }

    fn read(words: &[u64]) -> Self {
        let (head, windows) = words.split_at(6);
        let refusal = usize::try_from(head[3]).unwrap().checked_sub(1).map(|window| Refusal {
            window,
            wait: head[4],
            by: match head[5] {
                1 => Bound::Window,
                2 => Bound::Burst,
                other => panic!("no bound {other}"),
            },
        });
        let standing = |words: &[u64]| Standing {
            taken: usize::try_from(words[0]).unwrap(),
            charged_at: Some(words[1]).filter(|&at| at > 0),
            resets_in: words[2],
            burst: (usize::try_from(words[3]).unwrap(), words[4]),
        };
        Self {
            epoch: head[0],
            now: head[1],
            verdict: match head[2] {
                0 => Some(false),
                1 => Some(true),
                2 => None,
                other => panic!("no verdict {other}"),
            },
            refusal,
            windows: windows.chunks(5).map(standing).collect(),
        }
    }
}

/// Somebody who asks the library, with or without a clock of his own.
pub(crate) struct Caller {
    connection: Connection,
    library: Loaded,
    epoch_key: String,
    /// In µs: the one that it believes in.
    pub(crate) epoch: u64,
    /// In µs, for a library with a manual clock.
    pub(crate) clock: Option<u64>,
}

impl Caller {
    pub(crate) fn new(connection: Connection, library: Loaded, epoch_key: &str) -> Self {
        let epoch_key = epoch_key.to_owned();
        Self { connection, library, epoch_key, epoch: 0, clock: None }
    }

    /// Decides one request by all of these windows, in whatever epoch it is.
    pub(crate) fn admit(&mut self, asks: &[Ask]) -> Answer {
        let answer = self.try_admit(asks);
        if answer.verdict.is_some() { answer } else { self.try_admit(asks) }
    }

    /// The same in the epoch that the caller believes in, which it learns.
    pub(crate) fn try_admit(&mut self, asks: &[Ask]) -> Answer {
        let arguments = arguments(self.epoch, asks);
        let answer = Answer::read(&self.call(Function::Admit, &keys(asks), &arguments));
        self.epoch = answer.epoch;
        answer
    }

    /// The same, many times in one round trip.
    pub(crate) fn admit_often(&mut self, asks: &[Ask], times: usize) -> Vec<Answer> {
        (self.epoch, ..) = self.ask_epoch();
        let (keys, arguments) = (self.keys(&keys(asks)), arguments(self.epoch, asks));
        let mut pipeline = Pipeline::new();
        for _ in 0..times {
            pipeline.add_command(self.library.call(Function::Admit, &keys, &arguments));
        }
        let answers: Vec<Vec<u64>> = pipeline.query(&mut self.connection).unwrap();
        answers.iter().map(|words| Answer::read(words)).collect()
    }

    /// Whether the charge was there.
    pub(crate) fn give_back(&mut self, key: &str, charged_at: u64) -> bool {
        let words = self.call(Function::GiveBack, &[key.to_owned()], &[charged_at.to_string()]);
        words[2] == 1
    }

    /// How many there are in the span after the charges of these ages (µs) were added.
    pub(crate) fn push(&mut self, key: &str, (count, span): (u32, u64), ages: &[u64]) -> usize {
        let keep = [u64::from(count), span];
        let arguments: Vec<_> = keep.iter().chain(ages).map(u64::to_string).collect();
        let words = self.call(Function::Push, &[key.to_owned()], &arguments);
        usize::try_from(words[2]).unwrap()
    }

    /// Which place of `count` the one who asks has, from 1: it has `held` (0: none) until now.
    pub(crate) fn place(&mut self, key: &str, who: &str, held: u64, count: u64) -> u64 {
        let numbers = [held, count, LEASE].map(|number| number.to_string());
        let arguments = [vec![who.to_owned()], numbers.to_vec()].concat();
        self.call(Function::Place, &[key.to_owned()], &arguments)[2]
    }

    /// Since when (µs) the server has had the data, its run id, and its time (µs).
    pub(crate) fn ask_epoch(&mut self) -> (u64, String, u64) {
        let call = self.library.call(Function::Epoch, &self.keys(&[]), &[]);
        call.query(&mut self.connection).unwrap()
    }

    /// A function whose answer has texts in it.
    pub(crate) fn call_text(
        &mut self,
        function: Function,
        keys: &[&str],
        arguments: &[String],
    ) -> Vec<String> {
        let keys: Vec<_> = keys.iter().map(|&key| key.to_owned()).collect();
        let call = self.library.call(function, &self.keys(&keys), arguments);
        self.query(call)
    }

    /// Any other command.
    pub(crate) fn run<T: redis::FromRedisValue>(&mut self, words: &[&str]) -> T {
        command(words).query(&mut self.connection).unwrap()
    }

    fn keys(&self, windows: &[String]) -> Vec<String> {
        [slice::from_ref(&self.epoch_key), windows].concat()
    }

    fn call(&mut self, function: Function, keys: &[String], arguments: &[String]) -> Vec<u64> {
        let call = self.library.call(function, &self.keys(keys), arguments);
        self.query(call)
    }

    fn query<T: redis::FromRedisValue>(&mut self, call: Cmd) -> T {
        let mut pipeline = Pipeline::new();
        if let Some(clock) = self.clock {
            pipeline.add_command(command(&["SET", "clock", &clock.to_string()])).ignore();
        }
        let (answer,) = pipeline.add_command(call).query(&mut self.connection).unwrap();
        answer
    }
}

fn command(words: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    command.arg(words);
    command
}

fn keys(asks: &[Ask]) -> Vec<String> {
    asks.iter().map(|ask| ask.key.clone()).collect()
}

fn arguments(epoch: u64, asks: &[Ask]) -> Vec<String> {
    let words = |ask: &Ask| {
        let charge = match ask.charge {
            Charge::Admitted => "a",
            Charge::Offered => "o",
            Charge::Nothing => "n",
        };
        let Limit { admissions, span, burst } = ask.limit;
        let numbers = [
            u64::from(admissions),
            span,
            u64::from(burst.unwrap_or(0)),
            u64::from(ask.keep.0),
            ask.keep.1,
        ];
        [vec![charge.to_owned()], numbers.map(|n| n.to_string()).to_vec()].concat()
    };
    [epoch.to_string()].into_iter().chain(asks.iter().flat_map(words)).collect()
}
