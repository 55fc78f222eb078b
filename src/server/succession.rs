//! What does this process take over from the one before, and leave to the one after it? Its
//! windows, where there is a state file.

use crate::admit::Admission;
use crate::classify::DigestKey;
use crate::config;
use crate::config::Settings;
use crate::gateway::Shared;
use crate::policy::Policy;
use crate::restart::Leaving;
use crate::restart::Outcome;
use crate::restart::StateFile;
use crate::restart::Written;
use crate::systemd::ServiceManager;
use crate::time::Tick;

/// The state file in a directory that the service manager has made.
const WINDOWS: &str = "windows";

/// What this process leaves.
#[derive(Debug)]
pub(super) struct Legacy {
    file: StateFile,
    /// What names are hashed with.
    names_key: [u8; 16],
}

/// What this process begins with.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) admission: Admission,
    pub(super) digests: DigestKey,
    /// What came of the state file, where there is one.
    pub(super) outcome: Option<Outcome>,
    pub(super) legacy: Option<Legacy>,
}

/// The keys that are made for this process: of passwords, and of names.
pub(super) struct Keys<'k> {
    pub(super) passwords: &'k [u8; 16],
    pub(super) names: &'k [u8; 16],
}

/// Takes over what the process before has left.
pub(super) fn begin(
    file: Option<StateFile>,
    policy: &Policy,
    keys: &Keys<'_>,
    now: Tick,
) -> Beginning {
    let admission = Admission::new();
    let digests = DigestKey::new(keys.passwords);
    let Some(file) = file else {
        let digests = digests.with_names_by(keys.names);
        return Beginning { admission, digests, outcome: None, legacy: None };
    };
    let (outcome, kept) = file.take(now);
    let names_key = kept.as_ref().map_or(*keys.names, |kept| *kept.names_key());
    let digests = digests.with_names_by(&names_key);
    if let Some(kept) = kept {
        let windows = kept.restore(&admission, policy, &digests, now);
        tracing::info!(windows, "going on with the windows of the process before");
    }
    let legacy = Some(Legacy { file, names_key });
    Beginning { admission, digests, outcome: Some(outcome), legacy }
}

/// The file that windows are kept in over a restart, if there is one.
pub(super) fn file(settings: &Settings, manager: &ServiceManager) -> Option<StateFile> {
    match &settings.state_file {
        config::StateFile::At(path) => Some(StateFile::new(path.clone())),
        config::StateFile::OfManager => {
            manager.state_directory().map(|directory| StateFile::new(directory.join(WINDOWS)))
        }
        config::StateFile::Off => None,
    }
}

/// Keeps the windows for the next process. Nobody is waiting any more, so it may take a moment.
pub(super) fn leave(legacy: Option<Legacy>, shared: &Shared) {
    let Some(Legacy { file, names_key }) = legacy else { return };
    let Shared { admission, digests, clock, policy, .. } = shared;
    let policy = policy.snapshot();
    let leaving = Leaving { admission, policy: &policy, digests, names_key, now: clock.now() };
    match file.write(&leaving) {
        Ok(Written { windows, left_out: 0 }) => {
            tracing::info!(windows, "the windows are kept for the next process");
        }
        Ok(Written { windows, left_out }) => {
            tracing::warn!(windows, left_out, "the state file has no room for all windows");
        }
        Err(error) => {
            let path = file.path().display();
            tracing::error!(%error, %path, "the windows cannot be kept");
        }
    }
}
