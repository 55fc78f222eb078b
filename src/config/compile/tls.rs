//! How is a server spoken to over TLS? Its certificate is always checked.

use rustls::ClientConfig;
use rustls::RootCertStore;

use crate::config::tls_files;

/// A client over TLS 1.2 or 1.3 that trusts `roots`, has no certificate of its own and offers these
/// protocols (ALPN).
pub(super) fn client(
    roots: RootCertStore,
    protocols: &[&[u8]],
) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(tls_files::provider())
        .with_protocol_versions(&tls_files::VERSIONS)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
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
