//! The commands of the `tollgate` program, one file each.

pub mod check;
pub mod demo;
pub mod quote;
pub mod serve;
