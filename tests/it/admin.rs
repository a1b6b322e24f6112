//! The Admin API over an embedded ledger: each call, each mistake, who may do what, and money that
//! moves once.

mod access;
mod cards;
mod desk;
mod document;
mod mistakes;
mod money;
mod paging;
mod reports;
mod resources;
mod watching;
