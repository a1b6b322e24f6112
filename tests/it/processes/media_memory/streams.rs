//! Files that exist only while they are sent or read: an upstream that takes and gives them, and a
//! client that does.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, request};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::Authority;

/// Long enough for all that somebody would read ahead.
pub(super) const PAUSE: Duration = Duration::from_millis(1500);

/// What is read before the pause.
const BEFORE_THE_PAUSE: usize = 1 << 20;

/// What a slow reader may leave on its way: the buffers of four sockets on this machine, and of
/// the gateway. A file is larger.
const ON_THE_WAY: usize = 64 << 20;

static PIECE: [u8; 32 << 10] = [7; 32 << 10];

const FORM: &str = "--limit\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\n\
    whatsapp\r\n--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\
    Content-Type: application/pdf\r\n\r\n";
const FORM_END: &str = "\r\n--limit--\r\n";

/// A body of so many bytes, made piece by piece as it is asked for.
pub(super) struct File {
    begin: &'static str,
    left: usize,
    end: &'static str,
    sent: Arc<AtomicUsize>,
}

impl File {
    pub(super) fn empty() -> File {
        File::of(0, Arc::default())
    }

    /// An upload form with a file of that size in it.
    pub(super) fn form(bytes: usize) -> File {
        File { begin: FORM, end: FORM_END, ..File::of(bytes, Arc::default()) }
    }

    fn of(bytes: usize, sent: Arc<AtomicUsize>) -> File {
        File { begin: "", left: bytes, end: "", sent }
    }

    fn next(&mut self) -> Option<Bytes> {
        if !self.begin.is_empty() {
            return Some(Bytes::from_static(std::mem::take(&mut self.begin).as_bytes()));
        }
        if self.left > 0 {
            let length = self.left.min(PIECE.len());
            self.left -= length;
            self.sent.fetch_add(length, Ordering::SeqCst);
            return Some(Bytes::from_static(&PIECE[..length]));
        }
        (!self.end.is_empty()).then(|| Bytes::from_static(std::mem::take(&mut self.end).as_bytes()))
    }
}

impl Body for File {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.get_mut().next().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.begin.len() + self.left + self.end.len() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.begin.len() + self.left + self.end.len()) as u64)
    }
}

/// Reads bodies; after the first MiB one that pauses reads nothing for so long.
#[derive(Default)]
pub(super) struct Readers {
    pub(super) pause: Option<Duration>,
    /// What the sender has sent: after the pause it must not be all.
    pub(super) sent: Option<Arc<AtomicUsize>>,
}

impl Readers {
    /// The bytes that came.
    pub(super) async fn read(&self, mut body: Incoming) -> usize {
        let (mut read, mut pause) = (0, self.pause);
        while let Some(frame) = body.frame().await {
            read += frame.unwrap().data_ref().map_or(0, Bytes::len);
            if let Some(time) = pause.take_if(|_| read > BEFORE_THE_PAUSE) {
                tokio::time::sleep(time).await;
                let sent = self.sent.as_ref().map_or(0, |sent| sent.load(Ordering::SeqCst));
                assert!(sent < ON_THE_WAY, "{sent} bytes were taken from the sender meanwhile");
            }
        }
        read
    }
}

/// Takes uploads and gives downloads; the id of an object is its size.
pub(super) struct MediaHost {
    pub(super) address: SocketAddr,
    /// Bytes of the file that was uploaded last.
    pub(super) received: Arc<AtomicUsize>,
    /// Bytes that were sent of the file that was downloaded last.
    pub(super) sent: Arc<AtomicUsize>,
    /// Whether uploads are read with a pause.
    pub(super) pauses: Arc<AtomicBool>,
    tls: bool,
}

#[derive(Clone)]
struct Served {
    base: String,
    received: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
    pauses: Arc<AtomicBool>,
}

impl MediaHost {
    pub(super) async fn open(tls: Option<Arc<rustls::ServerConfig>>) -> MediaHost {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = MediaHost {
            address: listener.local_addr().unwrap(),
            received: Arc::default(),
            sent: Arc::default(),
            pauses: Arc::default(),
            tls: tls.is_some(),
        };
        let served = Served {
            base: host.url(),
            received: host.received.clone(),
            sent: host.sent.clone(),
            pauses: host.pauses.clone(),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (served, tls) = (served.clone(), tls.clone().map(TlsAcceptor::from));
                tokio::spawn(async move {
                    match tls {
                        None => connection(stream, served).await,
                        Some(tls) => connection(tls.accept(stream).await.unwrap(), served).await,
                    }
                });
            }
        });
        host
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }
}

async fn connection<S>(stream: S, served: Served)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request| {
        let served = served.clone();
        async move { Ok::<_, Infallible>(served.answer(request).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    // The gateway closes connections as it likes.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

impl Served {
    async fn answer(
        self,
        request: Request<Incoming>,
    ) -> Response<http_body_util::Either<File, String>> {
        use http_body_util::Either;
        let path = request.uri().path().to_owned();
        if request.method() == Method::POST {
            let pause = self.pauses.load(Ordering::SeqCst).then_some(PAUSE);
            let readers = Readers { pause, sent: None };
            let file = readers.read(request.into_body()).await - FORM.len() - FORM_END.len();
            self.received.store(file, Ordering::SeqCst);
            return Response::new(Either::Right(r#"{"id":"1"}"#.to_owned()));
        }
        let bytes = path.rsplit('/').next().unwrap();
        if path.starts_with("/file/") {
            self.sent.store(0, Ordering::SeqCst);
            return Response::new(Either::Left(File::of(bytes.parse().unwrap(), self.sent)));
        }
        let about = format!(
            r#"{{"mime_type":"video/mp4","id":"{bytes}","url":"{}/file/{bytes}"}}"#,
            self.base
        );
        let answer = Response::builder().header("content-type", "application/json");
        answer.body(Either::Right(about)).unwrap()
    }
}

/// One connection of a client.
pub(super) struct Connection {
    sender: Sender,
    base: String,
}

enum Sender {
    Http1(http1::SendRequest<File>),
    Http2(http2::SendRequest<File>),
}

impl Connection {
    pub(super) async fn open(
        gateway: SocketAddr,
        authority: Option<&Authority>,
        protocol: &str,
    ) -> Connection {
        let stream = TcpStream::connect(gateway).await.unwrap();
        let Some(authority) = authority else {
            return Connection { sender: plain(stream).await, base: format!("http://{gateway}") };
        };
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
        let mut config =
            rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::from(gateway.ip());
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
        let sender = if protocol == "h2" {
            let executor = TokioExecutor::new();
            let (sender, running) = http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
            tokio::spawn(running);
            Sender::Http2(sender)
        } else {
            plain(stream).await
        };
        Connection { sender, base: format!("https://{gateway}") }
    }

    /// Sends a request with this body; the answer's head, and its body as it comes.
    pub(super) async fn ask(mut self, request: request::Builder, body: File) -> Response<Incoming> {
        let mut request = request.body(body).unwrap();
        let host = self.base.split_once("://").unwrap().1.parse().unwrap();
        match &mut self.sender {
            Sender::Http1(sender) => {
                request.headers_mut().insert("host", host);
                sender.send_request(request).await.unwrap()
            }
            Sender::Http2(sender) => {
                let uri = format!("{}{}", self.base, request.uri());
                *request.uri_mut() = uri.parse().unwrap();
                sender.send_request(request).await.unwrap()
            }
        }
    }
}

async fn plain<S>(stream: S) -> Sender
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, running) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(running);
    Sender::Http1(sender)
}

/// The URL in the answer about an object.
pub(super) async fn url_of(answer: Response<Incoming>) -> String {
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let about: serde_json::Value = serde_json::from_slice(&body).unwrap();
    about["url"].as_str().unwrap_or_else(|| panic!("{about}")).to_owned()
}
