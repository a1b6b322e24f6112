//! How a ledger in Redis is opened, and why it may not be.

use std::time::Duration;

use crate::clock::Clock;
use crate::ledger::StoreTlsFiles;

/// How a ledger in Redis is used.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// Every call returns within it.
    pub deadline: Duration,
    /// First part of every name in the store; without braces.
    pub key_prefix: String,
    /// Start even if the server's settings can lose what was decided.
    pub allow_unsafe: bool,
    /// Certificates for `rediss://`.
    pub tls: StoreTlsFiles,
    /// A fixed one replaces the server's clock.
    pub clock: Clock,
}

impl Default for RedisOptions {
    fn default() -> RedisOptions {
        RedisOptions {
            deadline: Duration::from_secs(1),
            key_prefix: "tg".to_owned(),
            allow_unsafe: false,
            tls: StoreTlsFiles::default(),
            clock: Clock::system(),
        }
    }
}

/// Why a ledger in Redis cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL cannot be used.
    #[error("ledger url: {0}")]
    Address(String),
    /// No answer from the server.
    #[error("the server does not answer: {0}")]
    Unavailable(String),
    /// The server is too old, or its settings can lose what was decided.
    #[error("{0}")]
    Unsafe(String),
    /// What the server holds is not this ledger's.
    #[error("{0}")]
    Foreign(String),
}
