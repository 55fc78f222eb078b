//! The library's one source, in each of the forms that it is run in.

use std::collections::HashMap;

use redis::Cmd;
use redis::Connection;

const WINDOWS: &str = include_str!("../../../src/store/maskgate.lua");
const POOLS: &str = include_str!("../../../src/store/pools.lua");

/// What a call runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Function {
    Admit,
    GiveBack,
    Push,
    Epoch,
    Place,
    PoolClaim,
    PoolCommit,
    PoolReturn,
    PoolRecountBegin,
    PoolRecountPage,
    PoolRecountEnd,
    PoolSeen,
    PoolForget,
}

impl Function {
    const ALL: [Self; 13] = [
        Self::Admit,
        Self::GiveBack,
        Self::Push,
        Self::Epoch,
        Self::Place,
        Self::PoolClaim,
        Self::PoolCommit,
        Self::PoolReturn,
        Self::PoolRecountBegin,
        Self::PoolRecountPage,
        Self::PoolRecountEnd,
        Self::PoolSeen,
        Self::PoolForget,
    ];

    /// The name that it has within the source.
    fn local(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::GiveBack => "give_back",
            Self::Push => "push",
            Self::Epoch => "begin",
            Self::Place => "place",
            Self::PoolClaim => "pool_claim",
            Self::PoolCommit => "pool_commit",
            Self::PoolReturn => "pool_return",
            Self::PoolRecountBegin => "pool_recount_begin",
            Self::PoolRecountPage => "pool_recount_page",
            Self::PoolRecountEnd => "pool_recount_end",
            Self::PoolSeen => "pool_seen",
            Self::PoolForget => "pool_forget",
        }
    }

    /// The name that the library registers.
    fn name(self) -> String {
        let name = if self == Self::Epoch { "epoch" } else { self.local() };
        format!("maskgate_1_{name}")
    }
}

/// Both parts, as FUNCTION LOAD takes them.
fn source() -> String {
    format!("{WINDOWS}{POOLS}")
}

/// How the library is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Loaded once, by FUNCTION LOAD and FCALL.
    Functions,
    /// Each function as a script, by EVALSHA.
    Scripts,
}

/// The library, and how its functions are called.
#[derive(Clone, Debug)]
pub(crate) struct Library {
    form: Form,
    source: String,
}

impl Library {
    pub(crate) fn new(form: Form) -> Self {
        Self { form, source: source() }
    }

    /// With the time (µs) that the key `clock` holds instead of the server's, which still decides
    /// when a key is dropped: not before an hour has passed in truth.
    pub(crate) fn with_manual_clock(form: Form) -> Self {
        let changed = [
            ("redis.call('TIME')", "{ 0, redis.call('GET', 'clock') }"),
            ("SLACK_MS = 1000", "SLACK_MS = 3600000"),
        ];
        let source = changed.iter().fold(source(), |source, (from, to)| {
            assert_eq!(source.matches(from).count(), 1, "{from}");
            source.replace(from, to)
        });
        Self { form, source }
    }

    /// The same functions under the names of another version.
    pub(crate) fn of_version(version: &str) -> Self {
        let source = source().replace("maskgate_1", &format!("maskgate_{version}"));
        Self { form: Form::Functions, source }
    }

    /// Makes the functions known to the server.
    pub(crate) fn load(&self, connection: &mut Connection) -> Loaded {
        let hashes = match self.form {
            Form::Functions => {
                let mut load = redis::cmd("FUNCTION");
                load.arg("LOAD").arg("REPLACE").arg(&self.source);
                load.query::<String>(connection).unwrap();
                None
            }
            Form::Scripts => Some(
                Function::ALL
                    .into_iter()
                    .map(|function| {
                        let mut load = redis::cmd("SCRIPT");
                        let load = load.arg("LOAD").arg(self.script(function));
                        (function, load.query(connection).unwrap())
                    })
                    .collect(),
            ),
        };
        Loaded { hashes }
    }

    fn script(&self, function: Function) -> String {
        let (_, source) = self.source.split_once('\n').unwrap();
        let is_registration = |line: &&str| !line.starts_with("redis.register_function");
        let functions: Vec<_> = source.lines().filter(is_registration).collect();
        format!("{}\nreturn {}(KEYS, ARGV)", functions.join("\n"), function.local())
    }
}

/// The library on a server.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// Of the scripts, where it is they.
    hashes: Option<HashMap<Function, String>>,
}

impl Loaded {
    /// The command that calls a function.
    pub(crate) fn call(
        &self,
        function: Function,
        keys: &[String],
        arguments: &[String],
    ) -> Cmd {
        let mut call = match &self.hashes {
            None => redis::cmd("FCALL"),
            Some(_) => redis::cmd("EVALSHA"),
        };
        match &self.hashes {
            None => call.arg(function.name()),
            Some(hashes) => call.arg(&hashes[&function]),
        };
        call.arg(keys.len()).arg(keys).arg(arguments);
        call
    }
}
