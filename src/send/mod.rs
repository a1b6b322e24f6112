//! The way of a send, from its bytes to its reply.

pub mod message;
