//! The library's one source, in each of the forms that it is run in.

use std::collections::HashMap;

use redis::Cmd;
use redis::Connection;

const SOURCE: &str = include_str!("../../../src/store/maskgate.lua");
/// Where the functions end and their registration begins.
const REGISTRATION: &str = "\n-- registration\n";

/// What a call runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Function {
    Admit,
    GiveBack,
    Push,
    Epoch,
    Place,
}

impl Function {
    const ALL: [Self; 5] = [Self::Admit, Self::GiveBack, Self::Push, Self::Epoch, Self::Place];

    /// The name that the library registers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Admit => "maskgate_1_admit",
            Self::GiveBack => "maskgate_1_give_back",
            Self::Push => "maskgate_1_push",
            Self::Epoch => "maskgate_1_epoch",
            Self::Place => "maskgate_1_place",
        }
    }

    /// The name that it has within the source.
    fn local(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::GiveBack => "give_back",
            Self::Push => "push",
            Self::Epoch => "begin",
            Self::Place => "place",
        }
    }
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
        Self { form, source: SOURCE.to_owned() }
    }

    /// With the time (µs) that the key `clock` holds instead of the server's, which still decides
    /// when a key is dropped: not before an hour has passed in truth.
    pub(crate) fn with_manual_clock(form: Form) -> Self {
        let changed = [
            ("redis.call('TIME')", "{ 0, redis.call('GET', 'clock') }"),
            ("SLACK_MS = 1000", "SLACK_MS = 3600000"),
        ];
        let source = changed.iter().fold(SOURCE.to_owned(), |source, (from, to)| {
            assert_eq!(source.matches(from).count(), 1, "{from}");
            source.replace(from, to)
        });
        Self { form, source }
    }

    /// The same functions under the names of another version.
    pub(crate) fn of_version(version: &str) -> Self {
        let source = SOURCE.replace("maskgate_1", &format!("maskgate_{version}"));
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
        let (functions, _) = self.source.split_once(REGISTRATION).unwrap();
        let (_, functions) = functions.split_once('\n').unwrap();
        format!("{functions}\nreturn {}(KEYS, ARGV)", function.local())
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
