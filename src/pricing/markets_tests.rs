//! Unit tests of `markets.rs`.
