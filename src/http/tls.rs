//! TLS of our own listeners: certificate and key from files that may be replaced while connections
//! are served.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};

/// The files of a listener's certificate and key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The listener's own certificate first, then the chain up to an authority.
    pub cert_file: PathBuf,
    /// The key of the first certificate.
    pub key_file: PathBuf,
}

/// One listener's TLS; shared by all its connections.
#[derive(Debug)]
pub struct ListenerTls {
    files: TlsFiles,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

/// What new connections are shown.
#[derive(Debug)]
struct Current(ArcSwap<Pair>);

#[derive(Debug)]
struct Pair {
    certified: Arc<CertifiedKey>,
    /// SHA-256 of both files.
    digest: [u8; 32],
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().certified.clone())
    }
}

impl ListenerTls {
    /// Reads the files. TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN.
    ///
    /// # Errors
    /// A sentence that names the file: it cannot be read, holds no certificate or key, or the two
    /// do not belong together.
    pub fn load(files: TlsFiles) -> Result<ListenerTls, String> {
        let provider = aws_lc_rs::default_provider();
        let pair = read(&files, &provider)?;
        let current = Arc::new(Current(ArcSwap::from_pointee(pair)));
        let mut config = ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer =
            aws_lc_rs::Ticketer::new().map_err(|error| format!("session tickets: {error}"))?;
        Ok(ListenerTls { files, current, config: Arc::new(config) })
    }

    /// What a handshake needs.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// The file of the certificate, for the log.
    pub fn cert_file(&self) -> std::path::Display<'_> {
        self.files.cert_file.display()
    }

    /// Reads the files again; `true` if they hold something new, which new connections are shown
    /// from now on.
    ///
    /// # Errors
    /// As [`ListenerTls::load`]; then the pair before stays in use.
    pub fn reload(&self) -> Result<bool, String> {
        let pair = read(&self.files, self.config.crypto_provider())?;
        if pair.digest == self.current.0.load().digest {
            return Ok(false);
        }
        self.current.0.store(Arc::new(pair));
        Ok(true)
    }
}

fn read(files: &TlsFiles, provider: &CryptoProvider) -> Result<Pair, String> {
    let bytes = |file: &PathBuf| {
        fs::read(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))
    };
    let (certs, key) = (bytes(&files.cert_file)?, bytes(&files.key_file)?);
    let cert_file = files.cert_file.display();
    let chain = CertificateDer::pem_slice_iter(&certs)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("{cert_file} cannot be read as PEM certificates: {error}"))?;
    if chain.is_empty() {
        return Err(format!("{cert_file} holds no certificate (BEGIN CERTIFICATE)"));
    }
    // The error of a key says nothing about its content.
    let private = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|_| format!("{} holds no private key in PEM", files.key_file.display()))?;
    let certified = CertifiedKey::from_der(chain, private, provider).map_err(|error| {
        format!("{cert_file} and {} do not fit together: {error}", files.key_file.display())
    })?;
    let digest = Sha256::new().chain_update(&certs).chain_update(&key).finalize().into();
    Ok(Pair { certified: Arc::new(certified), digest })
}
