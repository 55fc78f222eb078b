//! What did the operator write? Files, variables and flags become [`Settings`] and a
//! [`Policy`], or a list of everything that is wrong with them.
//!
//! ```text
//! bytes ─ document ─▶ tree ─ expand, overlay ─▶ tree ─ peel ─▶ Raw ─ compile ─▶ Configuration
//!         syntax,       ${NAME},                  kinds,         ranges,
//!         repeated keys variables and flags       unknown keys   what fits together
//! ```
//!
//! Every step notes what is wrong and goes on, so that one run names every mistake. Places in
//! the file are looked up at the end, and only for what is reported.
//!
//! **Invariant:** the only user of serde and YAML for configuration. A value that comes out of
//! here is in its range; nothing checks it again.

mod compile;
mod conceal;
mod document;
mod error;
mod expand;
mod lines;
mod locate;
mod notes;
mod overlay;
mod path;
mod peel;
mod pem;
mod raw;
mod report;
mod settings;
mod shape;
mod suggest;
mod tls_files;
mod tls_watch;
mod tracked;
mod tree;
mod watch;
mod word;

use std::fs::File;
use std::io;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use serde_yaml::Value;

pub use document::MAX_FILE;
pub use error::ConfigErrors;
pub use error::Excerpt;
pub use error::Mistake;
pub use error::Place;
pub use error::Warnings;
pub use report::Finding;
pub use report::Format;
pub use report::render;
pub use report::render_all;
pub use settings::Resets;
pub use settings::Settings;
pub use settings::StateFile;
pub use tls_files::ClientCertificates;
pub use tls_files::TlsFault;
pub use tls_files::TlsFiles;
pub use tls_watch::TlsWatch;
pub use watch::Look;
pub use watch::Watch;

use crate::policy::Policy;
use document::Document;
use expand::Expanded;
use notes::Notes;
use notes::Places;
use overlay::Overlay;

/// The most bytes that are read of a file: one that has them all is too large.
fn limit() -> u64 {
    u64::try_from(MAX_FILE).unwrap_or(u64::MAX).saturating_add(1)
}

/// What the gateway runs by.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// What holds until the next start.
    pub settings: Settings,
    /// What a reload may change.
    pub policy: Policy,
    /// What is allowed and yet seldom meant.
    pub warnings: Warnings,
}

/// Where a configuration comes from. Flags win over variables, those over the file, and it
/// over the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The YAML file.
    pub file: Option<PathBuf>,
    /// The environment: names and values. Those that begin with `MASKGATE_` give keys their
    /// values; all of them can be named by `${NAME}` in a value of the file.
    pub variables: Vec<(String, String)>,
    /// The command line.
    pub flags: Flags,
}

/// Values given on the command line; they pass the same checks as those of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--upstream`: stands for `upstream.url`.
    pub upstream: Vec<String>,
    /// `--listen`: stands for `listen.address`.
    pub listen: Option<String>,
    /// `--admin`: stands for `admin.address`.
    pub admin: Option<String>,
    /// `--admin-allow-remote`: stands for `admin.allow_remote: true`.
    pub admin_allow_remote: bool,
}

impl Flags {
    /// The key, the value and the flag's name of each that is given.
    fn given(&self) -> impl Iterator<Item = (&'static str, Value, &'static str)> {
        let text = |text: &String| Value::String(text.clone());
        let upstream = match self.upstream.as_slice() {
            [] => None,
            [one] => Some(text(one)),
            several => Some(Value::Sequence(several.iter().map(text).collect())),
        };
        let listen = self.listen.as_ref().map(text);
        let admin = self.admin.as_ref().map(text);
        let allow_remote = self.admin_allow_remote.then_some(Value::Bool(true));
        [
            upstream.map(|value| ("upstream.url", value, "--upstream")),
            listen.map(|value| ("listen.address", value, "--listen")),
            admin.map(|value| ("admin.address", value, "--admin")),
            allow_remote.map(|value| ("admin.allow_remote", value, "--admin-allow-remote")),
        ]
        .into_iter()
        .flatten()
    }
}

impl Sources {
    /// Reads and compiles everything.
    pub fn load(&self) -> Result<Configuration, ConfigErrors> {
        match self.read() {
            Ok(bytes) => self.compile(bytes.as_deref()),
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    /// The bytes of the file, where there is one: at most one more than [`MAX_FILE`].
    pub fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let Some(path) = &self.file else { return Ok(None) };
        let mut bytes = Vec::new();
        File::open(path)?.take(limit()).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Compiles a file of these bytes together with the variables and flags. Other files that
    /// it names are read.
    pub fn compile(&self, bytes: Option<&[u8]>) -> Result<Configuration, ConfigErrors> {
        let mut notes = Notes::default();
        let document = bytes.map(|bytes| Document::read(bytes, &mut notes));
        let (text, read) = match document {
            Some(Document { text, tree }) => (Some(text), tree),
            None => (None, None),
        };
        let yaml = text.as_deref().filter(|_| read.is_some());
        let mut tree = read.unwrap_or(Value::Null);
        let expanded = Expanded::fill(&mut tree, &self.variables, &mut notes);
        let overlay = Overlay::lay(&self.variables, &self.flags, &mut tree, &mut notes);
        let raw = peel::peel(&mut tree, &mut notes);
        let file = self.file_name().zip(text.as_deref());
        let places = Places { file, yaml, overlay: &overlay, expanded: &expanded };
        match compile::compile(&raw, self.directory(), &places, &mut notes) {
            Some(configuration) if notes.count() == 0 => {
                Ok(Configuration { warnings: notes.into_warnings(&places), ..configuration })
            }
            Some(_) | None => Err(notes.into_errors(&places)),
        }
    }

    /// The one mistake of a file that cannot be read.
    fn unreadable(&self, error: &io::Error) -> ConfigErrors {
        let place = match self.file_name() {
            Some(file) => Place::File { file, excerpt: None },
            None => Place::Nowhere,
        };
        let mistake = Mistake {
            place,
            path: String::new(),
            message: format!("cannot be read: {error}"),
            help: String::new(),
        };
        ConfigErrors::new(vec![mistake], 0, false)
    }

    fn file_name(&self) -> Option<Arc<str>> {
        self.file.as_ref().map(|path| Arc::from(path.to_string_lossy()))
    }

    /// What the names of files in the configuration are relative to.
    fn directory(&self) -> &Path {
        self.file.as_deref().and_then(Path::parent).unwrap_or_else(|| Path::new(""))
    }
}
