//! What does the next process begin with? The charges of this one, by way of a small file.
//!
//! **Invariant:** a file is used once, and only where it was written since the machine started, by
//! clocks that agree with this process's: it is removed as soon as it is read. Whatever else it
//! is, nothing of it is used.

mod moment;
mod text;

use std::fs;
use std::fs::File;
use std::io;
use std::io::BufWriter;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use crate::admit::Admission;
use crate::admit::KeptMeaning;
use crate::admit::KeptWindow;
use crate::classify::DigestKey;
use crate::policy::Policy;
use crate::time::Tick;
use moment::Moment;
use text::Lines;

/// The most bytes of a file. A window of 150 charges takes about 900.
const MAX_FILE: u64 = 256 * 1024 * 1024;

/// What came of the file at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The charges are those of the process before.
    Restored,
    /// There is none: a first start, or the process before has not ended in peace.
    Absent,
    /// It cannot be read, or is none of ours.
    Unreadable,
    /// The machine has started anew since it was written.
    OtherBoot,
    /// The clocks have been set since it was written, or are those of another machine.
    OtherClock,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 5] =
        [Self::Restored, Self::Absent, Self::Unreadable, Self::OtherBoot, Self::OtherClock];

    /// The outcome as a label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Restored => "restored",
            Self::Absent => "absent",
            Self::Unreadable => "unreadable",
            Self::OtherBoot => "other_boot",
            Self::OtherClock => "other_clock",
        }
    }

    /// A small number for arrays.
    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// The file that one process leaves to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFile(PathBuf);

/// What a file holds.
#[derive(Debug, Default)]
pub struct Kept {
    /// The key of the digests in it.
    names_key: [u8; 16],
    windows: Vec<KeptWindow>,
    meanings: Vec<KeptMeaning>,
}

/// How much was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Windows in the file.
    pub windows: usize,
    /// Windows that found no room in it.
    pub left_out: usize,
}

/// What is written: the state of a process whose last request has ended.
#[derive(Clone, Copy, Debug)]
pub struct Leaving<'s> {
    /// The windows.
    pub admission: &'s Admission,
    /// The policy that was in force last.
    pub policy: &'s Policy,
    /// The keys of digests.
    pub digests: &'s DigestKey,
    /// The key that was given for names.
    pub names_key: [u8; 16],
    /// The time.
    pub now: Tick,
}

impl StateFile {
    /// The file at `path`; its directory has to be there.
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The file's name.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the file and removes it; what it holds where it is to be used.
    pub fn take(&self, now: Tick) -> (Outcome, Option<Kept>) {
        self.take_at(&Moment::present(now))
    }

    fn take_at(&self, now: &Moment) -> (Outcome, Option<Kept>) {
        match self.is_foreign() {
            Ok(false) => {}
            Ok(true) => {
                let path = self.0.display();
                tracing::error!(%path, "this is no state file: it is neither used nor replaced");
                return (Outcome::Unreadable, None);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return (Outcome::Absent, None);
            }
            Err(error) => {
                tracing::warn!(%error, "the state file cannot be read");
                return (Outcome::Unreadable, None);
            }
        }
        let read = read(&self.0);
        if let Err(error) = fs::remove_file(&self.0) {
            // It would be read a second time, when it says too much.
            tracing::warn!(%error, "the state file cannot be removed, so it is not used");
            return (Outcome::Unreadable, None);
        }
        let parsed = read.ok().and_then(|text| text::parse(&text, now.tick));
        let Some((moment, kept)) = parsed else { return (Outcome::Unreadable, None) };
        let outcome = moment.outcome_at(now);
        (outcome, Some(kept).filter(|_| outcome == Outcome::Restored))
    }

    /// Whether something else stands there than a state file or nothing: a wrong name in the
    /// configuration must not cost anybody a file.
    fn is_foreign(&self) -> io::Result<bool> {
        let mut begin = Vec::new();
        let length = u64::try_from(text::MAGIC.len()).unwrap_or(u64::MAX);
        File::open(&self.0)?.take(length).read_to_end(&mut begin)?;
        Ok(!begin.is_empty() && begin != text::MAGIC.as_bytes())
    }

    /// Writes what `leaving` leaves, in the place of what was there. Only this user can read it.
    pub fn write(&self, leaving: &Leaving<'_>) -> io::Result<Written> {
        self.write_at(leaving, &Moment::present(leaving.now))
    }

    fn write_at(&self, leaving: &Leaving<'_>, now: &Moment) -> io::Result<Written> {
        if self.is_foreign().unwrap_or(false) {
            return Err(io::Error::other("another file stands there, which is no state file"));
        }
        let new = self.0.with_extension("new");
        // One that a process has left there half written.
        drop(fs::remove_file(&new));
        let file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
        let mut out = Lines::new(BufWriter::new(file), MAX_FILE);
        out.head(now, &leaving.names_key)?;
        let written = write_state(&mut out, leaving)?;
        out.end()?.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(new, &self.0)?;
        Ok(written)
    }
}

fn write_state<W: Write>(out: &mut Lines<W>, leaving: &Leaving<'_>) -> io::Result<Written> {
    let Leaving { admission, policy, digests, now, .. } = *leaving;
    let mut failure = Ok(());
    let mut note = |written: io::Result<bool>| match written {
        Ok(has_room) => has_room,
        Err(error) => {
            failure = Err(error);
            false
        }
    };
    // What the configuration says of API keys counts as learned: the next one may say otherwise.
    for (api_key, account) in &policy.accounts {
        let digest = digests.of_api_key(*api_key);
        note(out.meaning(KeptMeaning::Credential(digest, *account)));
    }
    admission.keep_meanings(now, |meaning| {
        note(out.meaning(meaning));
    });
    let mut written = Written::default();
    admission.keep_windows(&policy.limits, now, |window| {
        let counter = if note(out.window(&window)) {
            &mut written.windows
        } else {
            &mut written.left_out
        };
        *counter = counter.saturating_add(1);
    });
    failure.map(|()| written)
}

impl Kept {
    /// The key that names were hashed with, and have to be from now on.
    pub const fn names_key(&self) -> &[u8; 16] {
        &self.names_key
    }

    /// Has `admission`, to which nobody was admitted yet, remember all of it, and be right by
    /// `policy`; answers how many windows there are.
    pub fn restore(
        self,
        admission: &Admission,
        policy: &Policy,
        digests: &DigestKey,
        now: Tick,
    ) -> usize {
        for window in self.windows {
            admission.restore_window(window);
        }
        for meaning in self.meanings {
            admission.restore_meaning(meaning, &policy.limits, now);
        }
        let given = policy.accounts.iter();
        let given: Vec<_> =
            given.map(|(key, account)| (digests.of_api_key(*key), *account)).collect();
        if !given.is_empty() {
            admission.map_accounts(&given, &policy.limits, now);
        }
        admission.live_windows()
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let limit = MAX_FILE.saturating_add(1);
    File::open(path)?.take(limit).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests;
