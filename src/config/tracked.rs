//! Has a file changed? Told by what its links lead to, and then by its bytes.
//!
//! Kubernetes swaps a mounted `ConfigMap` or `Secret` by a symbolic link of its directory; the
//! file behind it may then have the size and the time of the one before. Nothing here waits or
//! is told: the caller looks once a second.

use std::fmt;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

/// A file as it was at the last look.
#[derive(Default)]
pub(crate) struct Tracked {
    seen: Option<Seen>,
    bytes: Option<Vec<u8>>,
}

// The bytes may be those of a key.
impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked").field("seen", &self.seen).finish_non_exhaustive()
    }
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    File(Stat),
    Failure(io::ErrorKind),
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    real_path: PathBuf,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Seen {
    fn at(path: &Path) -> Self {
        match Stat::of(path) {
            Ok(stat) => Self::File(stat),
            Err(error) => Self::Failure(error.kind()),
        }
    }
}

impl Stat {
    fn of(path: &Path) -> io::Result<Self> {
        let real_path = fs::canonicalize(path)?;
        let found = fs::metadata(&real_path)?;
        Ok(Self {
            real_path,
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

impl Tracked {
    /// The bytes of the file, or why it cannot be read, where either is another than before;
    /// nothing where it is the same, or is just being written. At most `limit` bytes are read.
    pub(crate) fn look(&mut self, path: &Path, limit: u64) -> Option<io::Result<&[u8]>> {
        let before = Seen::at(path);
        if self.seen.as_ref() == Some(&before) {
            return None;
        }
        let read = read(path, limit);
        // Whoever is writing the file right now will have finished by the next look.
        if read.is_ok() && Seen::at(path) != before {
            return None;
        }
        self.seen = Some(before);
        match read {
            Ok(bytes) if self.bytes.as_ref() == Some(&bytes) => None,
            Ok(bytes) => Some(Ok(self.bytes.insert(bytes))),
            Err(error) => {
                // When the file is back, it counts as changed.
                self.bytes = None;
                Some(Err(error))
            }
        }
    }

    /// The bytes of the file as they were last read; none where it could not be read.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        self.bytes.as_deref()
    }

    /// The bytes of the file, changed or not.
    pub(crate) fn read(&mut self, path: &Path, limit: u64) -> io::Result<&[u8]> {
        self.seen = Some(Seen::at(path));
        self.bytes = None;
        Ok(self.bytes.insert(read(path, limit)?))
    }
}

fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
