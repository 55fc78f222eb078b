//! Is there a new certificate? When the bytes of one of the listener's files are others.

use std::path::Path;

use rustls::ServerConfig;

use crate::config::pem::MAX_PEM;
use crate::config::tls_files::TlsFault;
use crate::config::tls_files::TlsFiles;
use crate::config::tracked::Tracked;

/// The listener's files, looked at again and again.
#[derive(Debug)]
pub struct TlsWatch {
    files: TlsFiles,
    tracked: Vec<Tracked>,
    /// Whether one of them has changed since they were last read.
    changed: bool,
}

impl TlsWatch {
    /// Watches `files`: what they hold now is not news.
    pub fn new(files: TlsFiles) -> Self {
        let mut watch = Self { files, tracked: Vec::new(), changed: false };
        watch.tracked.resize_with(paths(&watch.files).count(), Tracked::default);
        let _known = watch.has_changed();
        watch
    }

    /// Looks at the files. What they become is told once they have changed and then stood
    /// still from one look to the next: a certificate and its key are never swapped in one
    /// instant.
    pub fn look(&mut self) -> Option<Result<ServerConfig, TlsFault>> {
        if self.has_changed() {
            self.changed = true;
            return None;
        }
        let told = self.changed.then(|| self.files.server());
        self.changed = false;
        told
    }

    fn has_changed(&mut self) -> bool {
        let looked = paths(&self.files).zip(&mut self.tracked);
        let changes = looked.filter_map(|(path, file)| file.look(path, MAX_PEM)).count();
        changes > 0
    }
}

fn paths(files: &TlsFiles) -> impl Iterator<Item = &Path> {
    let TlsFiles { certificate, private_key, client_ca, client_certificates: _ } = files;
    [Some(certificate), Some(private_key), client_ca.as_ref()]
        .into_iter()
        .flatten()
        .map(std::path::PathBuf::as_path)
}
