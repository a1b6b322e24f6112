//! Asks an upstream once whether it is there, for a person who sets a gateway up: at which
//! address, which certificate it showed, how long it took.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, body::Incoming, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::extensions::GeneralName;

use super::client::UpstreamOptions;
use super::target::BaseUrl;
use crate::clock::Stopwatch;

/// An upstream that answered.
#[derive(Debug, Clone)]
pub struct Probe {
    /// The address that was connected to.
    pub address: SocketAddr,
    /// From the name lookup to the end of the TLS handshake.
    pub connected: Duration,
    /// Its certificate; `None` without TLS.
    pub certificate: Option<Certificate>,
    /// `TLS 1.3` and the like; `None` without TLS.
    pub tls: Option<String>,
    /// The protocol spoken: `HTTP/2.0` or `HTTP/1.1`.
    pub protocol: String,
    /// The status of its answer to `GET /` without a token. Meta's is 400.
    pub status: u16,
    /// From the request to the head of its answer.
    pub answered: Duration,
}

/// What people want to know of an upstream's certificate.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The names it is for.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// The last moment at which it is valid, in UTC.
    pub not_after: String,
}

impl fmt::Display for Probe {
    /// One or two lines for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "answers {} over {} in {} ms (connected to {} in {} ms)",
            self.status,
            self.protocol,
            self.answered.as_millis(),
            self.address,
            self.connected.as_millis()
        )?;
        if let (Some(certificate), Some(tls)) = (&self.certificate, &self.tls) {
            write!(
                f,
                "\n  certificate for {}, signed by {}, valid until {} ({tls})",
                certificate.names.join(", "),
                certificate.issuer,
                certificate.not_after
            )?;
        }
        Ok(())
    }
}

/// Connects, and asks for `GET /` below `base` without a token; nothing can be charged for it.
///
/// # Errors
/// A sentence about the step that failed.
pub async fn probe(base: &BaseUrl, options: &UpstreamOptions) -> Result<Probe, String> {
    let watch = Stopwatch::start();
    let late = |what: &str, limit: Duration| format!("{what} took over {} ms", limit.as_millis());
    let connecting = tokio::time::timeout(options.connect_timeout, connect(base));
    let (stream, address) =
        connecting.await.map_err(|_| late("connecting", options.connect_timeout))??;
    let asking = async {
        if !base.is_tls() {
            let (connected, asked) = (watch.elapsed(), Stopwatch::start());
            let response = ask(stream, base, false).await?;
            return Ok(answer(address, connected, asked.elapsed(), &response));
        }
        let protocols: &[&[u8]] =
            if options.http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
        let connector = TlsConnector::from(Arc::new(options.trust.client_config(protocols)));
        let name = ServerName::try_from(base.host().to_owned())
            .map_err(|_| format!("{} is no name a certificate can be for", base.host()))?;
        let handshake = tokio::time::timeout(
            options.connect_timeout.saturating_sub(watch.elapsed()),
            connector.connect(name, stream),
        );
        let stream = handshake
            .await
            .map_err(|_| late("connecting", options.connect_timeout))?
            .map_err(|error| format!("the TLS handshake failed: {error}"))?;
        let session = stream.get_ref().1;
        let certificate =
            session.peer_certificates().and_then(<[_]>::first).map(certificate).transpose()?;
        let tls = session
            .protocol_version()
            .map(|version| format!("{version:?}").replace("TLSv1_", "TLS 1."));
        let http2 = session.alpn_protocol() == Some(b"h2");
        let (connected, asked) = (watch.elapsed(), Stopwatch::start());
        let response = ask(stream, base, http2).await?;
        Ok(Probe { certificate, tls, ..answer(address, connected, asked.elapsed(), &response) })
    };
    tokio::time::timeout(options.answer_timeout, asking)
        .await
        .map_err(|_| late("its answer", options.answer_timeout))?
}

async fn connect(base: &BaseUrl) -> Result<(TcpStream, SocketAddr), String> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((base.host(), base.port()))
        .await
        .map_err(|error| format!("the name {} cannot be resolved: {error}", base.host()))?
        .collect();
    let stream = TcpStream::connect(&*addresses)
        .await
        .map_err(|error| format!("no connection to {addresses:?}: {error}"))?;
    let address = stream.peer_addr().map_err(|error| error.to_string())?;
    Ok((stream, address))
}

async fn ask<T>(stream: T, base: &BaseUrl, http2: bool) -> Result<Response<Incoming>, String>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let lost = |error: hyper::Error| format!("no answer to GET /: {error}");
    let uri = base.join("/").ok_or("the address cannot be asked for /")?;
    let io = TokioIo::new(stream);
    let request = Request::get(if http2 { uri.to_string() } else { uri.path().to_owned() })
        .header(header::HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    // The connections end with the response, which is dropped unread.
    if http2 {
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), io).await.map_err(lost)?;
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(lost);
        connection.abort();
        return response;
    }
    let (mut sender, connection) = http1::handshake(io).await.map_err(lost)?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(lost);
    connection.abort();
    response
}

fn answer(
    address: SocketAddr,
    connected: Duration,
    answered: Duration,
    response: &Response<Incoming>,
) -> Probe {
    Probe {
        address,
        connected,
        certificate: None,
        tls: None,
        protocol: format!("{:?}", response.version()),
        status: response.status().as_u16(),
        answered,
    }
}

fn certificate(der: &CertificateDer<'_>) -> Result<Certificate, String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(der)
        .map_err(|error| format!("its certificate cannot be read: {error}"))?;
    let alternative = parsed.subject_alternative_name().ok().flatten();
    let names =
        alternative.iter().flat_map(|names| &names.value.general_names).map(|name| match name {
            GeneralName::DNSName(name) => (*name).to_owned(),
            GeneralName::IPAddress(octets) => match **octets {
                [a, b, c, d] => std::net::Ipv4Addr::new(a, b, c, d).to_string(),
                _ => name.to_string(),
            },
            other => other.to_string(),
        });
    Ok(Certificate {
        names: names.collect(),
        issuer: parsed.issuer().to_string(),
        not_after: parsed.validity().not_after.to_string(),
    })
}
