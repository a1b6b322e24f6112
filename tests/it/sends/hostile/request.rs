//! The rows of the table, and the requests they are made of.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{KEY, NUMBER, indian};

/// One request: what it is, its bytes, the status and rejection it gets.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) request: Vec<u8>,
    pub(super) reply: &'static str,
}

/// What a good request begins with; each row changes one thing about it.
pub(super) struct Head {
    line: String,
    headers: Vec<String>,
}

impl Head {
    pub(super) fn good() -> Head {
        Head {
            line: format!("POST /v24.0/{NUMBER}/messages HTTP/1.1"),
            headers: vec![
                "Host: gateway".to_owned(),
                format!("Authorization: Bearer {KEY}"),
                "Content-Type: application/json".to_owned(),
            ],
        }
    }

    pub(super) fn line(mut self, line: impl Into<String>) -> Head {
        self.line = line.into();
        self
    }

    /// Without the headers of that name.
    pub(super) fn without(mut self, name: &str) -> Head {
        self.headers.retain(|header| !header.starts_with(name));
        self
    }

    pub(super) fn with(mut self, header: impl Into<String>) -> Head {
        self.headers.push(header.into());
        self
    }

    /// Followed by a body of its length.
    pub(super) fn body(self, body: impl AsRef<[u8]>) -> Vec<u8> {
        let length = body.as_ref().len();
        self.with(format!("Content-Length: {length}")).raw(body)
    }

    /// Followed by these bytes as they are.
    pub(super) fn raw(self, rest: impl AsRef<[u8]>) -> Vec<u8> {
        let head = format!("{}\r\n{}\r\n\r\n", self.line, self.headers.join("\r\n"));
        [head.as_bytes(), rest.as_ref()].concat()
    }
}

/// A recipient that no other row has: a client that closes its sending side may not hear its
/// answer, so the same body again would be answered with it.
pub(super) fn recipient() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    indian(NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(super) fn text() -> String {
    crate::support::text(&recipient())
}

pub(super) fn row(name: impl Into<String>, request: Vec<u8>, reply: &'static str) -> Row {
    Row { name: name.into(), request, reply }
}
