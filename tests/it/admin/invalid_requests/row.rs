//! One row of the tables of invalid requests.

/// Method, path, body; status, code and the fields named.
pub type Row =
    (&'static str, &'static str, &'static str, u16, &'static str, &'static [&'static str]);
