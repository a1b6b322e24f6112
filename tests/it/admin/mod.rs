//! The Admin API over an embedded ledger: each call, each mistake, who may do what, and money that
//! moves once.

mod access;
mod invalid_requests;
pub mod openapi;
mod probes_and_metrics;
mod rate_cards;
mod reports;
mod resources;
mod statement_paging;
mod wallets_and_campaigns;
