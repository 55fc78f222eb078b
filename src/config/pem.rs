//! What is in a PEM file? Certificates and keys, or what is wrong with it.
//!
//! **Invariant:** no message quotes the file: what was meant to be a certificate may be a key.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem;
use rustls::pki_types::pem::PemObject;

/// The most bytes that are read of a PEM file; Mozilla's list of all authorities has 230 kB.
pub(crate) const MAX_PEM: u64 = 4 * 1024 * 1024;

/// The certificates of a file, of which there is one at least, in their order; else what is
/// wrong with it.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let name = file.display();
    let bytes = read(file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(format!("{name} holds no certificate"))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("{name} is damaged: {}", what_is_wrong(&error))),
    }
}

/// The certificates of a file, each of which is trusted as a root; else what is wrong with it.
pub(crate) fn roots(file: &Path) -> Result<RootCertStore, String> {
    let name = file.display();
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|error| format!("{name} holds a certificate that is not one: {error}"))?;
    }
    Ok(roots)
}

/// The first private key of a file; else what is wrong with it.
pub(crate) fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let name = file.display();
    PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|error| {
        if matches!(error, pem::Error::NoItemsFound) {
            format!("{name} holds no private key, or one with a passphrase")
        } else {
            format!("{name} is damaged: {}", what_is_wrong(&error))
        }
    })
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|file| file.take(MAX_PEM).read_to_end(&mut bytes))
        .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    Ok(bytes)
}

/// The library's own words quote the line that they are about.
fn what_is_wrong(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no end",
        pem::Error::IllegalSectionStart { .. } => "a section begins wrongly",
        pem::Error::Base64Decode(_) => "a section is not base64",
        pem::Error::SectionTooLarge | pem::Error::NoItemsFound | pem::Error::Io(_) | _ => {
            "it is not PEM"
        }
    }
}
