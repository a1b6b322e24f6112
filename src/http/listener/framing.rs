//! Follows the framing of HTTP/1 requests as they come in, to refuse what two readers could take
//! for two different requests. The HTTP library forgives some of it (it drops a `Content-Length`
//! beside a `Transfer-Encoding` before anybody sees it); a proxy that handles money must not.

use memchr::memchr;

/// Why the bytes of a connection cannot be trusted to be the requests they seem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// `Content-Length` beside `Transfer-Encoding`.
    TwoLengths,
    /// More than one `Content-Length`, or one that is not a number.
    ContentLength,
    /// A `Transfer-Encoding` that is repeated or is not exactly `chunked`.
    TransferEncoding,
    /// No `Host`, more than one, or one that is not a host.
    Host,
    /// A line of the head that does not end in CR LF, continues the one before, or is no header.
    Line,
    /// A chunk whose size cannot be read, or that is longer than its size.
    Chunk,
}

impl Violation {
    /// A name for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Violation::TwoLengths => "two_lengths",
            Violation::ContentLength => "content_length",
            Violation::TransferEncoding => "transfer_encoding",
            Violation::Host => "host",
            Violation::Line => "line",
            Violation::Chunk => "chunk",
        }
    }
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A request line, or the empty lines that may precede it.
    RequestLine,
    /// A header line, or the empty one that ends the head.
    Header,
    /// So many bytes of a body of declared length.
    Body(u64),
    /// The line with a chunk's size.
    ChunkSize,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// A line behind the last chunk, or the empty one that ends it.
    Trailer,
}

/// What is known from the head so far about its body and its host.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    content_length: Option<u64>,
    chunked: bool,
    hosts: u8,
    /// HTTP/1.0 knows no `Host`.
    host_optional: bool,
}

/// The reader of one connection's requests.
#[derive(Debug)]
pub struct Framing {
    place: Place,
    head: Head,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    longest_line: usize,
    heads: usize,
    /// The last byte that was followed is the last of a request.
    request_ended: bool,
}

/// Bytes that must not be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub violation: Violation,
    /// From which of the bytes on.
    pub at: usize,
    /// Whether they are part of a head, so that nobody has been told of the request yet.
    pub in_head: bool,
}

impl Framing {
    /// At the beginning of a connection. Lines longer than `longest_line` bytes are a violation.
    pub fn new(longest_line: usize) -> Framing {
        Framing {
            place: Place::RequestLine,
            head: Head::default(),
            line: Vec::new(),
            longest_line,
            heads: 0,
            request_ended: false,
        }
    }

    /// Follows `bytes`, which come after those of earlier calls, to the end of a request at most;
    /// returns how many of them that were.
    ///
    /// # Errors
    /// The first violation; nothing may be followed after it.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<usize, Refused> {
        let mut at = 0;
        self.request_ended = false;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let taken = match &mut self.place {
                Place::Body(left) | Place::Chunk(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left = left.saturating_sub(taken as u64);
                    if *left == 0 {
                        self.place = match self.place {
                            Place::Chunk(_) => Place::ChunkEnd,
                            _ => self.next_request(),
                        };
                    }
                    taken
                }
                _ => self.follow_line(rest).map_err(|violation| Refused {
                    violation,
                    at,
                    in_head: matches!(self.place, Place::RequestLine | Place::Header),
                })?,
            };
            at = at.saturating_add(taken);
            if self.request_ended {
                break;
            }
        }
        Ok(at)
    }

    /// Whether everything that was begun has come to its end.
    pub fn is_between_requests(&self) -> bool {
        self.place == Place::RequestLine && self.line.is_empty()
    }

    /// Heads that have come to their end, one that was refused there included.
    pub fn heads(&self) -> usize {
        self.heads
    }

    /// Follows the rest of a line, or keeps it until its end comes; returns how much that was.
    fn follow_line(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let Some(end) = memchr(b'\n', bytes) else {
            if self.line.len().saturating_add(bytes.len()) > self.longest_line {
                return Err(Violation::Line);
            }
            self.line.extend_from_slice(bytes);
            return Ok(bytes.len());
        };
        let rest = bytes.get(..end).unwrap_or_default();
        if self.line.is_empty() {
            self.end_line(rest)?;
        } else {
            let mut line = std::mem::take(&mut self.line);
            line.extend_from_slice(rest);
            self.end_line(&line)?;
        }
        Ok(end.saturating_add(1))
    }

    /// A whole line, without its LF.
    fn end_line(&mut self, line: &[u8]) -> Result<(), Violation> {
        let broken = match self.place {
            Place::ChunkSize | Place::ChunkEnd | Place::Trailer => Violation::Chunk,
            _ => Violation::Line,
        };
        let line = line.strip_suffix(b"\r").ok_or(broken)?;
        if line.contains(&b'\r') {
            return Err(broken);
        }
        self.place = match self.place {
            Place::RequestLine if line.is_empty() => Place::RequestLine,
            Place::RequestLine => {
                self.head = Head { host_optional: line.ends_with(b" HTTP/1.0"), ..Head::default() };
                Place::Header
            }
            Place::Header if line.is_empty() => self.end_head()?,
            Place::Header => {
                self.header(line)?;
                Place::Header
            }
            Place::ChunkSize => match chunk_size(line).ok_or(Violation::Chunk)? {
                0 => Place::Trailer,
                size => Place::Chunk(size),
            },
            Place::ChunkEnd if line.is_empty() => Place::ChunkSize,
            Place::Trailer if line.is_empty() => self.next_request(),
            Place::Trailer => Place::Trailer,
            Place::ChunkEnd | Place::Body(_) | Place::Chunk(_) => return Err(Violation::Chunk),
        };
        Ok(())
    }

    fn header(&mut self, line: &[u8]) -> Result<(), Violation> {
        let colon = memchr(b':', line).ok_or(Violation::Line)?;
        let (name, value) = line.split_at_checked(colon).ok_or(Violation::Line)?;
        // A space before the name continues the line before; one behind it hides the name.
        if name.is_empty() || name.iter().any(u8::is_ascii_whitespace) {
            return Err(Violation::Line);
        }
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let head = &mut self.head;
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = decimal(value).filter(|_| head.content_length.is_none());
            head.content_length = Some(length.ok_or(Violation::ContentLength)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if head.chunked || head.host_optional || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Violation::TransferEncoding);
            }
            head.chunked = true;
        } else if name.eq_ignore_ascii_case(b"host") {
            if !is_host(value) {
                return Err(Violation::Host);
            }
            head.hosts = head.hosts.saturating_add(1);
        }
        if head.chunked && head.content_length.is_some() {
            return Err(Violation::TwoLengths);
        }
        Ok(())
    }

    fn end_head(&mut self) -> Result<Place, Violation> {
        let head = self.head;
        self.heads = self.heads.saturating_add(1);
        if head.hosts > 1 || (head.hosts == 0 && !head.host_optional) {
            return Err(Violation::Host);
        }
        Ok(match head.content_length {
            _ if head.chunked => Place::ChunkSize,
            Some(length @ 1..) => Place::Body(length),
            _ => self.next_request(),
        })
    }

    fn next_request(&mut self) -> Place {
        self.head = Head::default();
        self.request_ended = true;
        Place::RequestLine
    }
}

/// Digits alone, as a `Content-Length` is written.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Hexadecimal digits, with an extension behind a semicolon or without.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii_end();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// A name or address with or without a port.
fn is_host(value: &[u8]) -> bool {
    http::uri::Authority::try_from(value)
        .is_ok_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'))
}

#[cfg(test)]
mod tests {
    use super::{Framing, Refused, Violation};

    /// Follows all of `bytes`, one request after the other.
    fn follow(framing: &mut Framing, bytes: &[u8]) -> Result<(), Refused> {
        let mut followed = 0;
        while followed < bytes.len() {
            let length = framing
                .follow(&bytes[followed..])
                .map_err(|refused| Refused { at: refused.at + followed, ..refused })?;
            assert!(length > 0, "it goes on");
            followed += length;
        }
        Ok(())
    }

    /// Follows `text` at once and byte by byte; both must find the same.
    #[track_caller]
    fn check(text: &str, expected: Option<Violation>) {
        let whole = follow(&mut Framing::new(1 << 10), text.as_bytes());
        let mut framing = Framing::new(1 << 10);
        let single = text.as_bytes().iter().try_for_each(|byte| follow(&mut framing, &[*byte]));
        assert_eq!(whole.map_err(|refused| refused.violation).err(), expected, "{text:?}");
        assert_eq!(single.map_err(|refused| refused.violation).err(), expected, "{text:?}");
    }

    /// One request with these headers beside a good `Host`.
    fn with(headers: &str) -> String {
        format!("POST /v24.0/1/messages HTTP/1.1\r\nHost: a\r\n{headers}\r\n")
    }

    #[test]
    fn what_can_be_read_in_one_way_passes() {
        for text in [
            with(""),
            with("Content-Length: 0\r\n"),
            format!("{}{{}}", with("content-length: 2\r\n")),
            // Two on one connection, the first with something like a head inside its body.
            format!("{}Host: a\r\nHost: b\r\n\r\n{}", with("Content-Length: 20\r\n"), with("")),
            format!("{}2\r\n{{}}\r\n0\r\n\r\n{}", with("Transfer-Encoding: chunked\r\n"), with("")),
            format!(
                "{}A;x=y\r\n0123456789\r\n0\r\nT: x\r\n\r\n",
                with("TRANSFER-ENCODING:Chunked\r\n")
            ),
            format!("\r\n\r\n{}", with("")),
            "GET / HTTP/1.0\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\nX: \r\nhOsT: graph.example:443\r\n\r\n".to_owned(),
        ] {
            check(&text, None);
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let both = "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n";
        let reversed = "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n";
        for (headers, violation) in [
            (both, Violation::TwoLengths),
            (reversed, Violation::TwoLengths),
            ("Content-Length: 3\r\nContent-Length: 3\r\n", Violation::ContentLength),
            ("Content-Length: 3\r\nContent-Length: 4\r\n", Violation::ContentLength),
            ("Content-Length: 3, 3\r\n", Violation::ContentLength),
            ("Content-Length: +3\r\n", Violation::ContentLength),
            ("Content-Length: 0x3\r\n", Violation::ContentLength),
            ("Content-Length: \r\n", Violation::ContentLength),
            ("Content-Length: 99999999999999999999\r\n", Violation::ContentLength),
            ("Transfer-Encoding: gzip, chunked\r\n", Violation::TransferEncoding),
            ("Transfer-Encoding: xchunked\r\n", Violation::TransferEncoding),
            ("Transfer-Encoding: identity\r\n", Violation::TransferEncoding),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                Violation::TransferEncoding,
            ),
            ("Transfer-Encoding : chunked\r\n", Violation::Line),
            ("X: a\r\n Transfer-Encoding: chunked\r\n", Violation::Line),
            ("X: a\nContent-Length: 3\r\n", Violation::Line),
            ("X: a\rContent-Length: 3\r\n", Violation::Line),
            ("no colon\r\n", Violation::Line),
            (": no name\r\n", Violation::Line),
            ("Host: b\r\n", Violation::Host),
            ("Host: a b\r\n", Violation::Host),
        ] {
            check(&with(headers), Some(violation));
        }
        for (text, violation) in [
            ("GET / HTTP/1.1\r\n\r\n", Violation::Host),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Violation::Host),
            ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", Violation::Host),
            ("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", Violation::Host),
            ("GET / HTTP/1.1\nHost: a\n\n", Violation::Line),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Violation::TransferEncoding),
        ] {
            check(text, Some(violation));
        }
        for body in [
            "x\r\n",
            "-1\r\n",
            "\r\n",
            "2\r\n{}X\r\n",
            "2\r\n{}\n",
            "2\n{}",
            "fffffffffffffffff\r\n",
        ] {
            check(
                &format!("{}{body}", with("Transfer-Encoding: chunked\r\n")),
                Some(Violation::Chunk),
            );
        }
    }

    #[test]
    fn a_second_request_is_followed_like_the_first() {
        let second = with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n");
        for first in [
            with(""),
            format!("{}{{}}", with("Content-Length: 2\r\n")),
            format!("{}1\r\nx\r\n0\r\n\r\n", with("Transfer-Encoding: chunked\r\n")),
        ] {
            check(&format!("{first}{second}"), Some(Violation::TwoLengths));
            let mut framing = Framing::new(1 << 10);
            let both = format!("{first}{second}");
            let refused = follow(&mut framing, both.as_bytes()).expect_err("two lengths");
            assert!(refused.in_head && refused.at > first.len(), "{refused:?}");
            let mut framing = Framing::new(1 << 10);
            assert_eq!(framing.follow(both.as_bytes()), Ok(first.len()), "{first:?}");
            assert!(framing.is_between_requests());
        }
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        check(&format!("GET /{}", "x".repeat(2_000)), Some(Violation::Line));
    }
}
