//! How is a server spoken to over TLS? Its certificate is always checked.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;

use crate::config::notes::At;
use crate::config::notes::Notes;
use crate::config::pem;
use crate::config::tls_files;

/// A server's authorities, as the configuration names them.
pub(super) struct Authority<'a> {
    /// Whose they are, in the genitive, as in "the store's".
    pub(super) whose: &'a str,
    /// The PEM file; none: those that the system trusts.
    pub(super) file: Option<&'a Path>,
    /// Where it is named.
    pub(super) at: At,
}

impl Authority<'_> {
    /// A client that trusts them and offers these protocols (ALPN); none, with a note, where the file
    /// cannot be used.
    pub(super) fn client(
        self,
        protocols: &[&[u8]],
        notes: &mut Notes,
    ) -> Option<Arc<ClientConfig>> {
        let Self { whose, file, at } = self;
        let roots = match file.map(pem::roots) {
            None => system_roots(),
            Some(Ok(roots)) => roots,
            Some(Err(message)) => {
                let help = format!(
                    "name a PEM file of {whose} authority, from the directory of the configuration \
                     file; or leave the line out to trust the system's"
                );
                notes.complain(at, message, help);
                return None;
            }
        };
        match client(roots, protocols) {
            Ok(client) => Some(Arc::new(client)),
            Err(error) => {
                notes.complain(at, format!("TLS cannot be set up: {error}"), "");
                None
            }
        }
    }
}

/// A client over TLS 1.2 or 1.3 that trusts `roots`, has no certificate of its own and offers these
/// protocols (ALPN).
fn client(roots: RootCertStore, protocols: &[&[u8]]) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(tls_files::provider())
        .with_protocol_versions(&tls_files::VERSIONS)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

/// The roots of the system, or Mozilla's where it has none, as in an image without files.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // A system's store may hold certificates of ancient form; the others still count.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}
