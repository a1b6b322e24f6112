//! Load generator for the gateway.
fn main() {}
