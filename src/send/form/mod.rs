//! Reads an upload form as it streams by, byte by byte and in constant memory: it has the fields
//! that Graph documents, each once, and nothing that another reader could take for a further one.
//!
//! A parser that hands out parts would forgive what must be refused here: bytes before the first
//! part or after the last, bare line breaks, a boundary that is only almost one.

mod boundary;
mod error;
mod part;
#[cfg(test)]
mod tests;

pub use boundary::{Boundary, boundary};
pub use error::{FormError, MAX_FORM};

use memchr::memchr2;

/// Bytes of the longest head of a part.
const MAX_HEAD: usize = 8 * 1024;

/// Line breaks after the last boundary.
const MAX_AFTER: u8 = 4;

/// What came before a byte of a part's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// The head of the part.
    Head,
    Cr,
    Lf,
    CrLf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first boundary: line break bytes and bytes of the boundary that came.
    Opening(u8, usize),
    /// After a boundary, with the byte that came since.
    Delimited(Option<u8>),
    Head,
    /// Within a line of a part's content.
    Line,
    /// At the beginning of a line of it, and bytes of the boundary that came.
    LineStart(Before, usize),
    /// After the last boundary, and bytes that came since.
    Closed(u8),
}

/// Reads one form.
#[derive(Debug)]
pub struct FormScanner {
    /// Two dashes and the boundary.
    delimiter: Vec<u8>,
    state: State,
    head: Vec<u8>,
    /// Which of the fields came.
    seen: [bool; part::FIELDS.len()],
    length: u64,
}

impl FormScanner {
    /// Of a form with this boundary.
    pub fn new(boundary: &Boundary) -> FormScanner {
        FormScanner {
            delimiter: [b"--", boundary.text().as_bytes()].concat(),
            state: State::Opening(0, 0),
            head: Vec::new(),
            seen: [false; part::FIELDS.len()],
            length: 0,
        }
    }

    /// Reads the next bytes.
    ///
    /// # Errors
    /// With these bytes, the form is none that is passed on.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), FormError> {
        self.length = self.length.saturating_add(bytes.len() as u64);
        if self.length > MAX_FORM {
            return Err(FormError::TooLong);
        }
        let mut rest = bytes;
        loop {
            if self.state == State::Line {
                // Most bytes of a file are within lines.
                let Some(at) = memchr2(b'\r', b'\n', rest) else { return Ok(()) };
                rest = rest.get(at..).unwrap_or_default();
            }
            let Some((byte, after)) = rest.split_first() else { return Ok(()) };
            self.state = self.next(*byte)?;
            rest = after;
        }
    }

    /// After the last bytes.
    ///
    /// # Errors
    /// The form is not complete.
    pub fn end(&self) -> Result<(), FormError> {
        if matches!(self.state, State::Closed(_)) { Ok(()) } else { Err(FormError::Incomplete) }
    }

    fn next(&mut self, byte: u8) -> Result<State, FormError> {
        match self.state {
            State::Opening(breaks, matched) => match (breaks, matched, byte) {
                // Some clients begin with the line break that the other boundaries have.
                (0, 0, b'\r') => Ok(State::Opening(1, 0)),
                (1, 0, b'\n') => Ok(State::Opening(2, 0)),
                (0 | 2, ..) if self.delimiter.get(matched) == Some(&byte) => {
                    let matched = matched + 1;
                    let whole = matched == self.delimiter.len();
                    Ok(if whole { State::Delimited(None) } else { State::Opening(breaks, matched) })
                }
                _ => Err(FormError::Outside),
            },
            State::Delimited(before) => match (before, byte) {
                (None, b'\r' | b'-') => Ok(State::Delimited(Some(byte))),
                (Some(b'\r'), b'\n') => {
                    self.head.clear();
                    Ok(State::Head)
                }
                (Some(b'-'), b'-') => Ok(State::Closed(0)),
                _ => Err(FormError::Boundary),
            },
            State::Head => self.next_of_head(byte),
            State::Line => Ok(line_start(None, byte)),
            State::LineStart(before, matched) => {
                if self.delimiter.get(matched) != Some(&byte) {
                    return Ok(line_start((matched == 0).then_some(before), byte));
                }
                let matched = matched + 1;
                match before {
                    _ if matched < self.delimiter.len() => Ok(State::LineStart(before, matched)),
                    Before::CrLf => Ok(State::Delimited(None)),
                    // Some readers take it for a boundary, others do not.
                    Before::Cr | Before::Lf | Before::Head => Err(FormError::Boundary),
                }
            }
            State::Closed(count) => {
                let fits = count < MAX_AFTER && matches!(byte, b'\r' | b'\n');
                if fits { Ok(State::Closed(count + 1)) } else { Err(FormError::Outside) }
            }
        }
    }

    fn next_of_head(&mut self, byte: u8) -> Result<State, FormError> {
        let odd = match (self.head.last(), byte) {
            (Some(b'\r'), byte) => byte != b'\n',
            (_, b'\r') => false,
            (_, byte) => byte.is_ascii_control(),
        };
        if odd || self.head.len() >= MAX_HEAD {
            return Err(FormError::Head);
        }
        self.head.push(byte);
        let Some(head) = self.head.strip_suffix(b"\r\n\r\n") else { return Ok(State::Head) };
        let field = part::field(head)?;
        match self.seen.get_mut(field) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(FormError::Repeated),
        }
        Ok(State::LineStart(Before::Head, 0))
    }
}

/// After a byte of a part's content that belongs to no boundary, if `before` stood before it.
fn line_start(before: Option<Before>, byte: u8) -> State {
    match (before, byte) {
        (Some(Before::Cr), b'\n') => State::LineStart(Before::CrLf, 0),
        (_, b'\n') => State::LineStart(Before::Lf, 0),
        (_, b'\r') => State::LineStart(Before::Cr, 0),
        _ => State::Line,
    }
}
