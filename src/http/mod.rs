//! Accepting connections, and the parts of HTTP that every request shares.

pub mod bearer;
pub mod body;
pub mod credentials;
pub mod listener;
pub mod peer;
pub mod request_id;
pub mod route;
pub mod tls;
