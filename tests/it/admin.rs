//! The Admin API over an embedded ledger: each call, each mistake, who may do what, and money that moves once.

mod desk;
mod money;
mod resources;
