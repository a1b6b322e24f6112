//! How a listener serves, and within which bounds.

use std::sync::Arc;
use std::time::Duration;

use super::workers::Workers;
use crate::http::peer::TrustedProxies;
use crate::http::tls::ListenerTls;
use crate::metrics::{Metrics, RefusedConnection};

/// Bounds of one listener, and how it speaks.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The threads that serve connections; without them the runtime that listens does.
    pub workers: Option<Workers>,
    /// Certificate and key; plain text without them.
    pub tls: Option<Arc<ListenerTls>>,
    /// The proxies whose word about a client's address counts.
    pub proxies: Arc<TrustedProxies>,
    /// Counts refused connections.
    pub metrics: Option<Arc<Metrics>>,
    /// Connections open at once; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// Connections open at once from one address (IPv6: one /64 network), trusted proxies left out;
    /// further ones are closed at once.
    pub max_connections_per_address: usize,
    /// Requests that one connection may carry.
    pub max_requests_per_connection: usize,
    /// Age at which a connection takes no further requests.
    pub max_connection_age: Duration,
    /// Requests in work at once on one HTTP/2 connection.
    pub max_streams: u32,
    /// From accepting a connection to the end of its first request's head, TLS handshake included.
    pub first_request_timeout: Duration,
    /// From the end of one request to the end of the next one's head; should be longer than clients
    /// keep connections unused.
    pub idle_timeout: Duration,
    /// Longest time in which a client takes no byte of its response.
    pub write_timeout: Duration,
    /// How long requests in flight may still take after shutdown has begun, or after their
    /// HTTP/2 connection has reached its age.
    pub drain_timeout: Duration,
    /// Header lines of one request.
    pub max_headers: usize,
    /// Bytes of one request's head.
    pub max_head_bytes: usize,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            workers: None,
            tls: None,
            proxies: Arc::default(),
            metrics: None,
            max_connections: 10_000,
            max_connections_per_address: 4_000,
            max_requests_per_connection: 1_000_000,
            max_connection_age: Duration::from_secs(3600),
            max_streams: 128,
            first_request_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
            max_headers: 100,
            max_head_bytes: 32 << 10,
        }
    }
}

impl ServerOptions {
    pub(super) fn refused(&self, reason: RefusedConnection) {
        if let Some(metrics) = &self.metrics {
            metrics.connection_refused(reason);
        }
    }
}
