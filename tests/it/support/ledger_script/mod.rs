//! Ledger cases written as tables.

pub mod operations;
pub mod render;
pub mod runner;
