//! A certification authority of a test, and the certificates it issues.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Issued {
    pub cert: String,
    pub key: String,
}

/// The names of a server on this machine.
pub const LOCAL: &[&str] = &["127.0.0.1", "localhost"];

impl Authority {
    pub fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Test Authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for `names` that is valid now.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.sign(params(names))
    }

    /// One whose time is over.
    pub fn issue_expired(&self, names: &[&str]) -> Issued {
        let mut params = params(names);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { cert, key: key.serialize_pem() }
    }

    /// Writes its own certificate to `ca.pem` in `directory`.
    pub fn write(&self, directory: &Path) -> PathBuf {
        let file = directory.join("ca.pem");
        std::fs::write(&file, &self.pem).unwrap();
        file
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    // Strict clients, such as Python's from 3.13 on, want to see who signed it.
    params.use_authority_key_identifier_extension = true;
    params
}

impl Issued {
    /// Signed by nobody but itself.
    pub fn by_itself(names: &[&str]) -> Issued {
        let key = KeyPair::generate().unwrap();
        let cert = params(names).self_signed(&key).unwrap().pem();
        Issued { cert, key: key.serialize_pem() }
    }

    /// A server that shows it and offers `protocols`.
    pub fn server(&self, protocols: &[&str]) -> Arc<ServerConfig> {
        let chain = CertificateDer::pem_slice_iter(self.cert.as_bytes()).map(Result::unwrap);
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain.collect(), key)
            .unwrap();
        config.alpn_protocols =
            protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// Writes certificate and key to files in `directory`.
    pub fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let cert = directory.join(format!("{name}.pem"));
        let key = directory.join(format!("{name}.key"));
        std::fs::write(&cert, &self.cert).unwrap();
        std::fs::write(&key, &self.key).unwrap();
        (cert, key)
    }
}
