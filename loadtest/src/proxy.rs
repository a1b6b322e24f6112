//! `loadtest proxy`: the least that a proxy built on hyper does. One thread, a server, a pool of
//! connections, nothing else: what a gateway's own work is measured against.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, ensure};
use clap::Args;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{client, server};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// The two ends of the proxy.
#[derive(Args)]
pub struct ProxyOptions {
    /// Address to listen on
    #[arg(long)]
    listen: SocketAddr,
    /// The upstream of all requests, such as http://127.0.0.1:9090
    #[arg(long)]
    upstream: Uri,
}

/// Passes requests on until it is killed; the runtime that calls this decides how many threads.
pub async fn proxy(options: ProxyOptions) -> anyhow::Result<()> {
    ensure!(options.upstream.scheme() == Some(&Scheme::HTTP), "only http:// upstreams");
    let upstream = options.upstream.authority().context("the upstream has no host")?;
    let pool = Arc::new(Pool { upstream: upstream.to_string(), idle: Mutex::default() });
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let pool = pool.clone();
        let service = service_fn(move |request| {
            let pool = pool.clone();
            async move { pool.pass(request).await }
        });
        // A connection's error is its client's to notice.
        tokio::spawn(
            server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
}

/// Connections to the upstream.
struct Pool {
    upstream: String,
    /// Not in use, though the last one's response may still be on its way to the client.
    idle: Mutex<Vec<SendRequest<Incoming>>>,
}

impl Pool {
    async fn pass(&self, request: Request<Incoming>) -> anyhow::Result<Response<Incoming>> {
        let mut connection = match self.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let response = connection.send_request(request).await?;
        self.idle().push(connection);
        Ok(response)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SendRequest<Incoming>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<SendRequest<Incoming>> {
        let mut idle = self.idle();
        idle.retain(|connection| !connection.is_closed());
        let at = idle.iter().rposition(SendRequest::is_ready)?;
        Some(idle.swap_remove(at))
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Incoming>> {
        let stream = TcpStream::connect(&self.upstream).await?;
        stream.set_nodelay(true)?;
        let (connection, driver) = client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(connection)
    }
}
