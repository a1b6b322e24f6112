//! TLS and HTTP/2 on every side: to Meta, from engines and operators, to the store.

mod inbound;
mod stores;
mod streams;
mod upstream;
