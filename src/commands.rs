//! What the program can be asked to do: one file per command.

pub mod check;
