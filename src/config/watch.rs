//! Is it time to reload? When the bytes of the file are others than before.

use std::io;

use crate::config::ConfigErrors;
use crate::config::Configuration;
use crate::config::Mistake;
use crate::config::Sources;
use crate::config::limit;
use crate::config::tracked::Tracked;

/// A file that is looked at again and again.
#[derive(Debug)]
pub struct Watch {
    sources: Sources,
    file: Tracked,
    /// Whether it was refused for other files alone, which may be put right without it.
    waits_for_others: bool,
}

/// What a look has found.
#[derive(Debug)]
pub enum Look {
    /// Nothing that matters.
    Same,
    /// Another configuration, or another that does not compile.
    Changed(Box<Result<Configuration, ConfigErrors>>),
}

impl Watch {
    /// Watches the file of `sources`; nothing is read yet. [`force`](Self::force) reads the
    /// first configuration.
    pub fn new(sources: Sources) -> Self {
        Self { sources, file: Tracked::default(), waits_for_others: false }
    }

    /// Looks at the file, and reads and compiles it where its bytes are others than at the
    /// last time. A file that cannot be read, or that does not compile, is reported once; one
    /// that was refused for other files alone is taken up once they are right.
    pub fn look(&mut self) -> Look {
        let Some(path) = &self.sources.file else { return Look::Same };
        let (has_changed, loaded) = match self.file.look(path, limit()) {
            Some(read) => (true, compiled(&self.sources, read.map(Some))),
            None if self.waits_for_others => (false, self.sources.compile(self.file.bytes())),
            None => return Look::Same,
        };
        self.waits_for_others = is_refused_for_others(&loaded);
        if has_changed || loaded.is_ok() { Look::Changed(Box::new(loaded)) } else { Look::Same }
    }

    /// Reads and compiles everything, whether the file has changed or not; so do other files
    /// that it names come into force.
    pub fn force(&mut self) -> Result<Configuration, ConfigErrors> {
        let read = match &self.sources.file {
            Some(path) => self.file.read(path, limit()).map(Some),
            None => Ok(None),
        };
        let loaded = compiled(&self.sources, read);
        self.waits_for_others = is_refused_for_others(&loaded);
        loaded
    }
}

/// Whether nothing is wrong but what stands in other files.
fn is_refused_for_others(loaded: &Result<Configuration, ConfigErrors>) -> bool {
    let in_others = |mistake: &Mistake| {
        ["listen.tls.", "upstream.tls.", "upstream.url_file", "store.redis.tls."]
            .iter()
            .any(|key| mistake.path.starts_with(key))
    };
    loaded.as_ref().is_err_and(|errors| errors.mistakes().iter().all(in_others))
}

fn compiled(
    sources: &Sources,
    read: io::Result<Option<&[u8]>>,
) -> Result<Configuration, ConfigErrors> {
    match read {
        Ok(bytes) => sources.compile(bytes),
        Err(error) => Err(sources.unreadable(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::Look;
    use super::Watch;
    use crate::config::Sources;
    use std::fs;
    use std::fs::File;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::path::PathBuf;
    use std::time::Duration;
    use std::time::SystemTime;

    /// A directory that is removed in the end.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let name = format!("maskgate-watch-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            drop(fs::remove_dir_all(&path));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        /// Writes a file whose time is always the same.
        fn write(&self, name: &str, text: &str) {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(1)).unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }

        /// Points the link `..data` to another directory, as the kubelet does.
        fn swap(&self, target: &str) {
            symlink(target, self.0.join("..data_tmp")).unwrap();
            fs::rename(self.0.join("..data_tmp"), self.0.join("..data")).unwrap();
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn watch(path: &Path) -> Watch {
        Watch::new(Sources { file: Some(path.to_owned()), ..Sources::default() })
    }

    fn port_of(look: Look) -> Option<u16> {
        let Look::Changed(result) = look else { return None };
        Some(result.unwrap().policy.upstream.origins.in_turn(0).port)
    }

    #[test]
    fn a_swapped_directory_is_noticed_though_size_and_time_are_the_same() {
        let directory = Directory::new("swap");
        directory.write("..1/a.yaml", "upstream: { url: http://a:1001 }");
        directory.write("..2/a.yaml", "upstream: { url: http://a:1002 }");
        directory.write("..3/a.yaml", "upstream: { url: http://a:1002 }");
        directory.swap("..1");
        let file = directory.0.join("a.yaml");
        symlink("..data/a.yaml", &file).unwrap();

        let mut watch = watch(&file);
        assert!(watch.force().is_ok());
        assert!(matches!(watch.look(), Look::Same));
        directory.swap("..2");
        assert_eq!(port_of(watch.look()), Some(1002));
        assert!(matches!(watch.look(), Look::Same));
        // Another file with the same bytes is no other configuration.
        directory.swap("..3");
        assert!(matches!(watch.look(), Look::Same));
    }

    #[test]
    fn a_file_that_is_gone_or_broken_is_reported_once_and_taken_up_again() {
        let directory = Directory::new("gone");
        let good = "upstream: { url: http://a:1001 }";
        directory.write("a.yaml", good);
        let file = directory.0.join("a.yaml");
        let mut watch = watch(&file);
        assert!(watch.force().is_ok());

        fs::remove_file(&file).unwrap();
        assert!(matches!(watch.look(), Look::Changed(result) if result.is_err()));
        assert!(matches!(watch.look(), Look::Same));
        directory.write("a.yaml", good);
        assert_eq!(port_of(watch.look()), Some(1001));

        directory.write("a.yaml", "upstream: [");
        assert!(matches!(watch.look(), Look::Changed(result) if result.is_err()));
        assert!(matches!(watch.look(), Look::Same));
        directory.write("a.yaml", good);
        assert_eq!(port_of(watch.look()), Some(1001));
    }

    #[test]
    fn a_forced_reading_does_not_ask_whether_anything_changed() {
        let directory = Directory::new("force");
        directory.write("a.yaml", "upstream: { url: http://a:1001 }");
        let mut watch = watch(&directory.0.join("a.yaml"));
        assert!(watch.force().is_ok() && watch.force().is_ok());
        assert!(matches!(watch.look(), Look::Same));
    }

    #[test]
    fn a_file_that_names_a_broken_one_is_taken_up_once_that_is_right() {
        let directory = Directory::new("others");
        let authority = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
        directory.write("one.yaml", "upstream: { url: https://a:1, tls: { ca: ca.pem } }\n");
        let mut watch = watch(&directory.0.join("one.yaml"));
        assert!(matches!(watch.look(), Look::Changed(loaded) if loaded.is_err()));
        directory.write("ca.pem", "no certificate\n");
        assert!(matches!(watch.look(), Look::Same), "it is reported once");
        directory.write("ca.pem", &authority.cert.pem());
        assert!(matches!(watch.look(), Look::Changed(loaded) if loaded.is_ok()));
        assert!(matches!(watch.look(), Look::Same));
    }

    #[test]
    fn without_a_file_nothing_changes() {
        let mut watch = Watch::new(Sources::default());
        assert!(watch.force().is_err());
        assert!(matches!(watch.look(), Look::Same));
    }
}
