//! Whom connections to Meta trust: the machine's certification authorities or the bundled ones, and
//! those of a file beside them. There is no plain-text fallback and no way to skip the check.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// What a server's certificate must be signed by.
#[derive(Debug, Clone)]
pub struct Trust(Arc<RootCertStore>);

impl Trust {
    /// Mozilla's list as it was when this program was built.
    pub fn bundled() -> Trust {
        Trust(Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }))
    }

    /// The machine's own list, or the bundled one if the machine has none (as in an image
    /// without `ca-certificates`), and every certificate of `ca_file` beside it.
    ///
    /// # Errors
    /// A sentence that names the file: it cannot be read, or holds no usable certificate.
    pub fn load(ca_file: Option<&Path>) -> Result<Trust, String> {
        let mut roots = RootCertStore::empty();
        let platform = rustls_native_certs::load_native_certs();
        for error in &platform.errors {
            tracing::warn!(%error, "a certification authority of this machine cannot be read");
        }
        roots.add_parsable_certificates(platform.certs);
        if roots.is_empty() {
            tracing::info!("this machine has no certification authorities; the bundled are used");
            roots.roots.extend_from_slice(webpki_roots::TLS_SERVER_ROOTS);
        }
        if let Some(file) = ca_file {
            add_file(&mut roots, file)?;
        }
        Ok(Trust(Arc::new(roots)))
    }

    /// The configuration of connections: TLS 1.2 or 1.3, server name and certificate checked, the
    /// given protocols offered by ALPN.
    pub(super) fn client_config(&self, protocols: &[&[u8]]) -> ClientConfig {
        let mut config =
            ClientConfig::builder().with_root_certificates(self.0.clone()).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config
    }
}

fn add_file(roots: &mut RootCertStore, file: &Path) -> Result<(), String> {
    let named = |what: String| format!("{}: {what}", file.display());
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| named(format!("cannot be read as PEM certificates: {error}")))?;
    if certificates.is_empty() {
        return Err(named("holds no certificate (BEGIN CERTIFICATE)".to_owned()));
    }
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|error| named(format!("a certificate cannot be used: {error}")))?;
    }
    Ok(())
}
