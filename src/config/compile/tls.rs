//! How is an `https` upstream spoken to? Its certificate is always checked.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::TLS12;
use rustls::version::TLS13;

/// The most bytes that are read of a PEM file; Mozilla's list of all authorities has 230 kB.
const MAX_PEM: u64 = 4 * 1024 * 1024;

/// A client of HTTP/1.1 over TLS 1.2 or 1.3 that trusts `roots` and has no certificate of its
/// own.
pub(super) fn client(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The roots of the system, or Mozilla's where it has none, as in an image without files.
pub(super) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // A system's store may hold certificates of ancient form; the others still count.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// The certificates of a PEM file, each of which is trusted as a root; else what is wrong with
/// the file.
pub(super) fn roots_in(file: &Path) -> Result<RootCertStore, String> {
    let name = file.display();
    let mut pem = Vec::new();
    File::open(file)
        .and_then(|file| file.take(MAX_PEM).read_to_end(&mut pem))
        .map_err(|error| format!("{name} cannot be read: {error}"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| format!("{name} is damaged: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("{name} holds a certificate that is not one: {error}"))?;
    }
    if roots.is_empty() {
        return Err(format!("{name} holds no certificate"));
    }
    Ok(roots)
}
