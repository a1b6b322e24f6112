//! Listens, reads requests whole, hands them to their route, and resets connections if a fault asks
//! for it.

use std::error::Error as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use http_body_util::{BodyExt, Limited};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use crate::control;
use crate::graph_error::GraphError;
use crate::reads;
use crate::record::Read;
use crate::reply::{self, Reply, Reset};
use crate::route::{self, Route};
use crate::send;
use crate::state::State;
use crate::strike;

/// Connections served at a time; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 8_192;
/// Message bodies are small; media is not.
const BODY_MAX: usize = 1024 * 1024;
const MEDIA_MAX: usize = 16 * 1024 * 1024;
/// How long a client may take to send a body.
const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// How long a client may take to send a head, and how long a connection may idle.
const HEAD_DEADLINE: Duration = Duration::from_secs(120);
/// How long a client may take for the TLS handshake.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// How long running requests may take to finish once the simulator stops.
const DRAIN_DEADLINE: Duration = Duration::from_millis(500);

/// Which of Meta's hosts a listener is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// The Graph API.
    Graph,
    /// Media downloads.
    Media,
}

/// Accepts connections until the state's stop token is cancelled.
pub(crate) async fn run(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    host: Host,
    state: Arc<State>,
    tasks: TaskTracker,
) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            () = state.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (state, acceptor) = (state.clone(), acceptor.clone());
                tasks.spawn(async move {
                    connection(stream, acceptor, host, state).await;
                    drop(permit);
                });
            }
            // Out of file descriptors, most likely: wait until some are released.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    host: Host,
    state: Arc<State>,
) {
    // Latency matters more than packet count; a failure here only costs speed.
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = acceptor else { return http1(stream, host, state, |stream| stream).await };
    let Ok(Ok(stream)) = timeout(HANDSHAKE_DEADLINE, acceptor.accept(stream)).await else { return };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        http2(stream, host, state).await;
    } else {
        http1(stream, host, state, |stream| stream.get_ref().0).await;
    }
}

async fn http1<T>(stream: T, host: Host, state: Arc<State>, tcp: impl Fn(&T) -> &TcpStream)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = {
        let state = state.clone();
        service_fn(move |request| {
            let state = state.clone();
            async move { serve(&state, host, request).await }
        })
    };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .serve_connection(TokioIo::new(stream), service);
    let result = {
        let mut running = pin!(&mut connection);
        tokio::select! {
            result = &mut running => Some(result),
            () = state.stop.cancelled() => None,
        }
    };
    let result = match result {
        Some(result) => result,
        None => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            timeout(DRAIN_DEADLINE, &mut connection).await.unwrap_or(Ok(()))
        }
    };
    let reset = |error: hyper::Error| error.source().is_some_and(|source| source.is::<Reset>());
    if result.is_err_and(reset) {
        // Closing with a zero linger time sends RST instead of FIN.
        let stream = connection.into_parts().io.into_inner();
        let _ = tcp(&stream).set_zero_linger();
    }
}

/// A fault that resets the connection resets the stream here.
async fn http2<T>(stream: T, host: Host, state: Arc<State>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = {
        let state = state.clone();
        service_fn(move |request| {
            let state = state.clone();
            async move { serve(&state, host, request).await }
        })
    };
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        () = state.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = timeout(DRAIN_DEADLINE, connection).await;
        }
    }
}

async fn serve(state: &State, host: Host, request: Request<Incoming>) -> Result<Reply, Reset> {
    let (parts, body) = request.into_parts();
    if host == Host::Media {
        return serve_media(state, &parts).await;
    }
    let route = route::find(&parts.method, parts.uri.path());
    let body = match read_body(&route, body).await {
        Ok(body) => body,
        Err(status) => return Ok(reply::plain(status, "text/plain", "")),
    };
    match route {
        Route::Control(path) => return Ok(control::handle(state, path, &parts, &body)),
        _ => state.record.requests.fetch_add(1, Ordering::Relaxed),
    };
    if let Err(error) = state.check_token(&parts.headers) {
        return Ok(state.refuse(&error));
    }
    if let Route::Send { path, phone_number_id } = route {
        return send::handle(state, path, phone_number_id, &parts, &body).await;
    }
    state.record.read(seen(host, &parts));
    if let Some(reply) = strike::read(state).await {
        return reply;
    }
    state.wait_latency().await;
    let answer = match route {
        Route::Templates { waba } => reads::templates(state, waba, &parts),
        Route::UploadMedia { phone_number_id } => {
            reads::upload_media(state, phone_number_id, &parts, &body)
        }
        Route::ReadProfile { phone_number_id } => reads::profile(state, phone_number_id),
        Route::WriteProfile { phone_number_id } => {
            reads::write_profile(state, phone_number_id, &body)
        }
        Route::ReadObject { id } => reads::object(state, id, &parts),
        Route::DeleteObject { id } => reads::delete_object(state, id, &parts),
        Route::Send { .. } | Route::Control(_) | Route::Unknown => {
            state.record.unknown_paths.fetch_add(1, Ordering::Relaxed);
            Err(GraphError::new(2500, parts.uri.path()))
        }
    };
    Ok(answer.unwrap_or_else(|error| state.refuse(&error)))
}

/// The host of media downloads, which wants the same tokens as the Graph API.
async fn serve_media(state: &State, parts: &Parts) -> Result<Reply, Reset> {
    state.record.requests.fetch_add(1, Ordering::Relaxed);
    state.record.read(seen(Host::Media, parts));
    if let Some(reply) = strike::read(state).await {
        return reply;
    }
    let answer = state.check_token(&parts.headers).and_then(|()| {
        match (parts.method.as_str(), parts.uri.path()) {
            ("GET" | "HEAD", "/whatsapp_business/attachments/") => {
                reads::download_media(state, parts)
            }
            _ => Err(GraphError::new(2500, parts.uri.path())),
        }
    });
    Ok(answer.unwrap_or_else(|error| state.refuse(&error)))
}

fn seen(host: Host, parts: &Parts) -> Read {
    Read {
        method: parts.method.clone(),
        path: parts.uri.to_string(),
        media_host: host == Host::Media,
        headers: parts.headers.clone(),
    }
}

async fn read_body(route: &Route<'_>, body: Incoming) -> Result<Bytes, StatusCode> {
    let most = match route {
        Route::UploadMedia { .. } => MEDIA_MAX,
        _ => BODY_MAX,
    };
    let collected = timeout(BODY_DEADLINE, Limited::new(body, most).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}
