//! Ledger cases written as tables; the grammar is in `parser.rs`.

pub mod operations;
mod parser;
pub mod render;
mod runner;

pub use parser::{Labels, Line};
pub use runner::check;
