//! Files for TLS to a store.

use std::path::PathBuf;

/// Certificates for TLS to a store, as PEM files; only used if its URL asks for TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreTlsFiles {
    /// Certification authorities of the store's certificate; without it, this machine's.
    pub ca_file: Option<PathBuf>,
    /// The certificate and the key that the gateway shows to the store.
    pub client: Option<(PathBuf, PathBuf)>,
}
