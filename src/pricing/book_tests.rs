//! Unit tests of `book.rs`.
