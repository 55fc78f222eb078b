//! How is TLS spoken with clients? By the certificate and the key that certain files hold now.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::TLS12;
use rustls::version::TLS13;

use crate::config::pem;

/// The versions of TLS that are spoken, on both sides.
pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
/// The protocols that clients may choose from (ALPN), the preferred one first. A client that
/// names none speaks HTTP/1.1.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The cryptography of both sides.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Where the listener's certificate, its key and the authority of its clients are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the listener's certificate, and behind it those up to its authority.
    pub certificate: PathBuf,
    /// PEM: the key of the first certificate.
    pub private_key: PathBuf,
    /// PEM: the authorities whose clients are let in; none: clients show no certificate.
    pub client_ca: Option<PathBuf>,
    /// Whether clients have to show one; says nothing where there is no authority.
    pub client_certificates: ClientCertificates,
}

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// One that is shown has to be right.
    Optional,
    /// Nobody is served without one.
    Required,
}

/// Why files cannot be used: the key below `listen.tls`, and what is wrong with its file. No
/// part of a file is quoted.
#[derive(Debug)]
pub struct TlsFault {
    /// The last part of the key.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "listen.tls.{}: {}", self.key, self.message)
    }
}

impl std::error::Error for TlsFault {}

impl TlsFiles {
    /// Reads the files: a server of TLS 1.2 and 1.3 with one certificate, whatever name a
    /// client asks for.
    pub fn server(&self) -> Result<ServerConfig, TlsFault> {
        let fault = |key| move |message| TlsFault { key, message };
        let certificates =
            pem::certificates(&self.certificate).map_err(fault("certificate"))?;
        let key = pem::private_key(&self.private_key).map_err(fault("private_key"))?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&VERSIONS)
            .map_err(|error| fault("certificate")(format!("TLS cannot be set up: {error}")))?;
        let verifier = self.verifier().map_err(fault("client_ca"))?;
        let mut server = builder
            .with_client_cert_verifier(verifier)
            .with_single_cert(certificates, key)
            .map_err(|error| self.misfit(&error))?;
        server.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
        Ok(server)
    }

    fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, String> {
        let Some(file) = &self.client_ca else {
            return Ok(WebPkiClientVerifier::no_client_auth());
        };
        let roots = Arc::new(pem::roots(file)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
        let verifier = match self.client_certificates {
            ClientCertificates::Optional => verifier.allow_unauthenticated(),
            ClientCertificates::Required => verifier,
        };
        verifier.build().map_err(|error| format!("{} is of no use: {error}", file.display()))
    }

    /// Why a certificate and a key that could be read are not used.
    fn misfit(&self, error: &rustls::Error) -> TlsFault {
        let (certificate, key) = (self.certificate.display(), self.private_key.display());
        let (at, message) = if matches!(error, rustls::Error::InconsistentKeys(_)) {
            (
                "private_key",
                format!("{key} is not the key of the first certificate in {certificate}"),
            )
        } else if let rustls::Error::InvalidCertificate(fault) = error {
            ("certificate", format!("{certificate} begins with no certificate: {fault}"))
        } else {
            ("private_key", format!("{key} holds a key that cannot be used"))
        };
        TlsFault { key: at, message }
    }
}
