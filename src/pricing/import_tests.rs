//! Unit tests of `import.rs`.
