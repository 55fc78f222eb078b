//! Replicas that share a store, and an upstream that has no limits of its own.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::LEASE;
use super::LIMITS;
use super::LIST;
use super::POOL;
use crate::SECOND;
use crate::script::with_manual_clock;
use crate::support::call::Caller;
use crate::support::library::Form;
use crate::support::library::Function;
use crate::support::server::Server;

const KINDS: [char; 2] = ['r', 'u'];

/// What a request would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Add(char),
    Move(u32, char),
    Remove(u32),
}

impl Change {
    fn target(self) -> Option<char> {
        match self {
            Self::Add(kind) | Self::Move(_, kind) => Some(kind),
            Self::Remove(_) => None,
        }
    }

    fn number(self) -> Option<u32> {
        match self {
            Self::Add(_) => None,
            Self::Move(number, _) | Self::Remove(number) => Some(number),
        }
    }
}

/// What the upstream has done about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Nothing,
    Refused,
    /// To this number.
    To(u32),
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
struct Request {
    id: u32,
    change: Change,
    done: Done,
    /// Its lease (µs): no upstream acts for longer.
    until: u64,
    /// Nobody waits for the answer any more.
    is_orphan: bool,
}

/// What a claim comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claimed {
    Held,
    Full(char),
    Contested,
    Uncounted,
}

/// The replicas, who share a store, and the upstream.
pub(super) struct World {
    name: String,
    rng: Rng,
    caller: Caller,
    /// The upstream's numbers.
    truth: BTreeMap<u32, char>,
    next: u32,
    open: Vec<Request>,
    /// A count under way, and the list as it was read.
    count: Option<(u32, BTreeMap<u32, char>)>,
}

impl World {
    pub(super) fn new(server: &Server, form: Form, seed: u64) -> Self {
        let mut caller = with_manual_clock(form, server);
        caller.run::<String>(&["FLUSHALL"]);
        let name = format!("MASKGATE_SEED={seed} {form:?}");
        let (truth, open) = (BTreeMap::new(), Vec::new());
        Self { name, rng: Rng::with_seed(seed), caller, truth, next: 1, open, count: None }
    }

    pub(super) fn run(mut self, steps: u32) {
        for step in 0..steps {
            let pause = [0, 1, SECOND / 10, 2 * SECOND][self.rng.usize(..4)];
            *self.caller.clock.as_mut().unwrap() += pause;
            self.act(step);
            for (kind, limit) in KINDS.into_iter().zip(LIMITS) {
                let there = self.there(kind);
                assert!(there <= limit, "{there} {kind} at step {step}: {}", self.name);
            }
        }
        self.settle();
    }

    fn act(&mut self, step: u32) {
        match self.rng.u32(..100) {
            0..35 => self.claim(step),
            35..60 => self.upstream_acts(),
            60..80 => self.answer(),
            80..83 => self.abandon(),
            83..86 => self.see(),
            86..87 => self.lose(),
            87..88 => self.change_alone(),
            88..95 => self.count_on(),
            _ => self.end_count(),
        }
    }

    fn there(&self, kind: char) -> usize {
        self.truth.values().filter(|&&each| each == kind).count()
    }

    fn any_number(&mut self) -> Option<u32> {
        let nth = self.rng.usize(..=self.truth.len());
        self.truth.keys().nth(nth).copied()
    }

    fn claim(&mut self, step: u32) {
        let kind = KINDS[self.rng.usize(..2)];
        let change = match (self.rng.u32(..10), self.any_number()) {
            (0..2, Some(number)) => Change::Move(number, kind),
            (2..5, Some(number)) => Change::Remove(number),
            _ => Change::Add(kind),
        };
        let who = if self.rng.u32(..8) == 0 { "s" } else { "k" };
        let id = self.next_id();
        match self.ask(id, change, who, "e") {
            Claimed::Held => self.open.push(self.request(id, change)),
            Claimed::Full(kind) => self.assert_full(kind, step),
            Claimed::Uncounted => self.count_on(),
            Claimed::Contested => {}
        }
    }

    fn request(&self, id: u32, change: Change) -> Request {
        let until = self.caller.clock.unwrap() + LEASE;
        Request { id, change, done: Done::Nothing, until, is_orphan: false }
    }

    /// Nobody is refused for room that there is.
    fn assert_full(&self, kind: char, step: u32) {
        // Until it is answered, what is added or moved may be here, and what has left too.
        let may_be = |request: &&Request| {
            request.change.target() == Some(kind) || matches!(request.done, Done::To(_))
        };
        let most = self.there(kind) + self.open.iter().filter(may_be).count();
        let limit = if kind == 'r' { LIMITS[0] } else { LIMITS[1] };
        assert!(most >= limit, "full of {most} {kind} at step {step}: {}", self.name);
    }

    fn next_id(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn ask(&mut self, id: u32, change: Change, who: &str, mode: &str) -> Claimed {
        let kinds = change.target().map_or(String::new(), String::from);
        let number = change.number().map_or(String::new(), |number| number.to_string());
        let [reserved, unreserved] = LIMITS.map(|limit| limit.to_string());
        let (id, lease) = (id.to_string(), LEASE.to_string());
        let arguments =
            [&id, &kinds, &number, who, mode, &reserved, &unreserved, &lease].map(String::from);
        let words: Vec<String> = self.call(Function::PoolClaim, &[POOL], &arguments);
        match words[6].as_str() {
            "0" => Claimed::Held,
            "1" => Claimed::Full(words[7].chars().next().unwrap()),
            "2" => Claimed::Contested,
            "3" => Claimed::Uncounted,
            other => panic!("claimed {other}"),
        }
    }

    fn call(&mut self, function: Function, keys: &[&str], arguments: &[String]) -> Vec<String> {
        self.caller.call_text(function, keys, arguments)
    }

    fn any_open(&mut self, is_meant: impl Fn(&Request) -> bool) -> Option<usize> {
        let meant: Vec<_> = (0..self.open.len()).filter(|&n| is_meant(&self.open[n])).collect();
        (!meant.is_empty()).then(|| meant[self.rng.usize(..meant.len())])
    }

    fn upstream_acts(&mut self) {
        let now = self.caller.clock.unwrap();
        self.open.retain(|request| !request.is_orphan || request.until > now);
        let is_meant = |request: &Request| request.done == Done::Nothing && request.until > now;
        let Some(nth) = self.any_open(is_meant) else { return };
        let refuses = self.rng.u32(..8) == 0;
        let added = self.next_id();
        let request = &mut self.open[nth];
        let number = request.change.number().unwrap_or(added);
        let is_there = request.change.number().is_none() || self.truth.contains_key(&number);
        if refuses || !is_there {
            request.done = Done::Refused;
            return;
        }
        request.done = Done::To(number);
        match request.change.target() {
            Some(kind) => self.truth.insert(number, kind),
            None => self.truth.remove(&number),
        };
    }

    fn answer(&mut self) {
        let is_meant = |request: &Request| request.done != Done::Nothing && !request.is_orphan;
        let Some(nth) = self.any_open(is_meant) else { return };
        let request = self.open.remove(nth);
        let id = request.id.to_string();
        let Done::To(number) = request.done else {
            self.call(Function::PoolReturn, &[POOL], &[id, "r".to_owned()]);
            return;
        };
        let kind = request.change.target().unwrap_or('x').to_string();
        let is_readable = request.change.target().is_none() || self.rng.u32(..6) > 0;
        let told = if is_readable {
            [id, number.to_string(), kind]
        } else {
            [id, String::new(), String::new()]
        };
        self.call(Function::PoolCommit, &[POOL], &told);
    }

    /// A replica gives up on a request, or dies.
    fn abandon(&mut self) {
        let Some(nth) = self.any_open(|request| !request.is_orphan) else { return };
        let id = self.open[nth].id.to_string();
        if self.rng.bool() {
            // The upstream is at it for no longer: that has a second look, which is not tried here.
            if self.open[nth].done == Done::Nothing {
                self.open[nth].done = Done::Refused;
            }
            self.open.remove(nth);
            self.call(Function::PoolReturn, &[POOL], &[id, "l".to_owned()]);
        } else {
            self.open[nth].is_orphan = true;
        }
    }

    /// An answer that passes shows a number.
    fn see(&mut self) {
        let Some(number) = self.any_number() else { return };
        let kind = self.truth[&number].to_string();
        self.call(Function::PoolSeen, &[POOL], &[number.to_string(), kind]);
    }

    /// A replica that was cut off has added or removed a number, and is back.
    fn change_alone(&mut self) {
        let kind = KINDS[self.rng.usize(..2)];
        let may_be = |request: &&Request| request.change.target() == Some(kind);
        let most = self.there(kind) + self.open.iter().filter(may_be).count();
        let limit = if kind == 'r' { LIMITS[0] } else { LIMITS[1] };
        match self.any_number() {
            Some(number) if self.rng.bool() => drop(self.truth.remove(&number)),
            Some(_) | None if most < limit => {
                let added = self.next_id();
                self.truth.insert(added, kind);
            }
            Some(_) | None => {}
        }
        self.call(Function::PoolForget, &[POOL], &[]);
    }

    /// The store's data is lost; each replica tells what it has under way.
    fn lose(&mut self) {
        if self.open.iter().any(|request| request.is_orphan) {
            return;
        }
        self.caller.run::<String>(&["FLUSHALL"]);
        self.count = None;
        for request in self.open.clone() {
            assert_eq!(self.ask(request.id, request.change, "k", "h"), Claimed::Held);
        }
        let until = self.caller.clock.unwrap() + LEASE;
        self.open.iter_mut().for_each(|request| request.until = until);
    }

    /// Begins a count, or reads the list for the one under way.
    fn count_on(&mut self) {
        let id = self.next_id();
        if let Some((_, list)) = &mut self.count {
            list.clone_from(&self.truth);
            return;
        }
        let arguments = [id.to_string(), LEASE.to_string()];
        let words = self.call(Function::PoolRecountBegin, &[POOL, LIST], &arguments);
        if words[6] == "0" {
            self.count = Some((id, self.truth.clone()));
        }
    }

    fn end_count(&mut self) {
        let Some((id, list)) = self.count.take() else { return };
        let id = id.to_string();
        let listed =
            list.iter().flat_map(|(number, kind)| [number.to_string(), kind.to_string()]);
        let page: Vec<_> = [id.clone()].into_iter().chain(listed).collect();
        self.call(Function::PoolRecountPage, &[POOL, LIST], &page);
        let outcome = ["c", "c", "c", "c", "f", "r"][self.rng.usize(..6)].to_owned();
        self.call(Function::PoolRecountEnd, &[POOL, LIST], &[id, outcome, String::new()]);
    }

    /// When everything has ended and was counted, all that there is room for is granted.
    fn settle(mut self) {
        *self.caller.clock.as_mut().unwrap() += 2 * LEASE;
        (self.open, self.count) = (Vec::new(), None);
        self.count_on();
        let (id, list) = self.count.take().unwrap_or_else(|| panic!("no turn: {}", self.name));
        let id = id.to_string();
        let listed =
            list.iter().flat_map(|(number, kind)| [number.to_string(), kind.to_string()]);
        let page: Vec<_> = [id.clone()].into_iter().chain(listed).collect();
        self.call(Function::PoolRecountPage, &[POOL, LIST], &page);
        self.call(
            Function::PoolRecountEnd,
            &[POOL, LIST],
            &[id, "c".to_owned(), String::new()],
        );
        for (kind, limit) in KINDS.into_iter().zip(LIMITS) {
            for _ in self.there(kind)..limit {
                let id = self.next_id();
                assert_eq!(
                    self.ask(id, Change::Add(kind), "k", "e"),
                    Claimed::Held,
                    "{}",
                    self.name
                );
            }
            let id = self.next_id();
            assert_eq!(
                self.ask(id, Change::Add(kind), "k", "e"),
                Claimed::Full(kind),
                "{}",
                self.name
            );
        }
    }
}
