//! All traffic to Meta: this room sends requests to the Graph API and reports what became of
//! them.

pub mod body;
pub mod client;
mod connect;
pub mod contact;
pub mod encoding;
mod exclusive;
pub mod graph_error;
pub mod headers;
pub mod leak;
pub mod media_hosts;
mod options;
pub mod outcome;
pub mod pass_through;
pub mod probe;
pub mod streaming;
pub mod target;
pub mod templates;
#[cfg(test)]
mod tests;
pub mod tls;
