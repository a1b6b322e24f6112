//! How Meta is reached, and within which bounds.

use std::time::Duration;

use super::tls::Trust;

/// Bounds of the connections to Meta.
#[derive(Debug, Clone)]
pub struct UpstreamOptions {
    /// Who may sign upstream's certificate.
    pub trust: Trust,
    /// Whether HTTP/2 is offered in the TLS handshake; it is spoken if upstream takes it.
    pub http2: bool,
    /// Name lookup, TCP and TLS handshake together. Should be well below `answer_timeout`: a
    /// connection that is still being made when the answer is due counts as unknown.
    pub connect_timeout: Duration,
    /// From the start of a send to the last byte of its answer, repeats included.
    pub answer_timeout: Duration,
    /// How often a send of which provably nothing was sent is tried again, if `answer_timeout`
    /// leaves room for it.
    pub not_sent_repeats: u32,
    /// How long a connection stays open without use; should be shorter than upstream's.
    pub idle_timeout: Duration,
    /// Unused connections kept per host.
    pub max_idle_per_host: usize,
    /// Bytes of the longest answer to a send that is read.
    pub max_answer_bytes: usize,
    /// How long a streamed body may be waited for until `stream_least_bytes` of it have come, and
    /// the longest pause between the end of its request and the answer's head.
    pub stream_idle_timeout: Duration,
    /// The bytes that a streamed body makes progress with.
    pub stream_least_bytes: usize,
}

impl Default for UpstreamOptions {
    fn default() -> UpstreamOptions {
        UpstreamOptions {
            trust: Trust::bundled(),
            http2: true,
            connect_timeout: Duration::from_secs(2),
            answer_timeout: Duration::from_secs(8),
            not_sent_repeats: 1,
            idle_timeout: Duration::from_secs(30),
            max_idle_per_host: 512,
            max_answer_bytes: 1 << 20,
            stream_idle_timeout: Duration::from_secs(30),
            stream_least_bytes: 16 * 1024,
        }
    }
}
