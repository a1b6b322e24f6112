//! The commands of the `tollgate` program, one file each.

mod call;
pub mod check;
pub mod demo;
pub mod quote;
pub mod serve;
pub mod templates;
