//! Content encodings of upstream's replies. None is asked for, but something between the gateway
//! and Meta may compress a reply all the same.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;

/// Bytes of the longest decoded answer to a send that is read; a few compressed ones may stand for
/// gigabytes.
pub const MAX_DECODED: usize = 1 << 20;

/// Encodings on top of each other that are undone; more make no answer shorter.
const MAX_LAYERS: usize = 2;

/// How every gzip stream begins, also one whose header was lost on the way.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b, 0x08];

/// An encoding nobody here knows, content that is not what its header names, or too much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer's content cannot be decoded")]
pub struct Undecodable;

#[derive(Clone, Copy)]
enum Coding {
    Gzip,
    Deflate,
}

/// The content of an answer without its encodings (`gzip`, `deflate`); at most `limit` bytes.
///
/// # Errors
/// Content that is encoded in another way, is cut off or would be too long.
pub fn decoded<'a>(
    headers: &HeaderMap,
    body: &'a [u8],
    limit: usize,
) -> Result<Cow<'a, [u8]>, Undecodable> {
    let codings = codings(headers)?;
    if codings.is_empty() {
        // Compressed content whose header was lost is still what it is.
        return match body.starts_with(GZIP_MAGIC).then(|| decode(Coding::Gzip, body, limit)) {
            Some(Ok(content)) => Ok(Cow::Owned(content)),
            _ => Ok(Cow::Borrowed(body)),
        };
    }
    let mut content = Cow::Borrowed(body);
    for coding in codings.into_iter().rev() {
        match decode(coding, &content, limit) {
            Ok(decoded) => content = Cow::Owned(decoded),
            // The header was left behind by whoever decoded the content before us.
            Err(_) if is_json(&content) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(content)
}

/// The encodings in the order in which they were applied.
fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, Undecodable> {
    let mut codings = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        let value = value.to_str().map_err(|_| Undecodable)?;
        for name in value.split(',').map(str::trim) {
            match name.to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" => codings.push(Coding::Gzip),
                "deflate" => codings.push(Coding::Deflate),
                _ => return Err(Undecodable),
            }
        }
    }
    if codings.len() > MAX_LAYERS { Err(Undecodable) } else { Ok(codings) }
}

fn decode(coding: Coding, body: &[u8], limit: usize) -> Result<Vec<u8>, Undecodable> {
    match coding {
        Coding::Gzip => read_all(MultiGzDecoder::new(body), limit),
        // By the standard in a zlib wrapper; some senders leave that out.
        Coding::Deflate => read_all(ZlibDecoder::new(body), limit)
            .or_else(|_| read_all(DeflateDecoder::new(body), limit)),
    }
}

fn read_all(decoder: impl Read, limit: usize) -> Result<Vec<u8>, Undecodable> {
    let mut content = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(most).read_to_end(&mut content).map_err(|_| Undecodable)?;
    if content.len() > limit { Err(Undecodable) } else { Ok(content) }
}

fn is_json(content: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(content).is_ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use hyper::HeaderMap;
    use hyper::header::{CONTENT_ENCODING, HeaderValue};

    use super::{MAX_DECODED, Undecodable, decoded};

    const TEXT: &[u8] = br#"{"messages":[{"id":"wamid.A"}]}"#;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn raw_deflate(text: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn headers(encoding: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(encoding))])
    }

    #[track_caller]
    fn check(encoding: &'static str, body: &[u8], expected: Result<&[u8], Undecodable>) {
        let found = decoded(&headers(encoding), body, MAX_DECODED);
        assert_eq!(found.as_deref().map_err(|error| *error), expected, "{encoding}");
    }

    #[test]
    fn known_encodings_are_undone() {
        check("gzip", &gzip(TEXT), Ok(TEXT));
        check("X-GZIP", &gzip(TEXT), Ok(TEXT));
        check("deflate", &zlib(TEXT), Ok(TEXT));
        check("deflate", &raw_deflate(TEXT), Ok(TEXT));
        check("deflate, gzip", &gzip(&zlib(TEXT)), Ok(TEXT));
        check("identity", TEXT, Ok(TEXT));
    }

    #[test]
    fn a_header_that_is_missing_or_was_left_behind_does_no_harm() {
        let encoded = gzip(TEXT);
        assert_eq!(decoded(&HeaderMap::new(), &encoded, MAX_DECODED).as_deref(), Ok(TEXT));
        check("gzip", TEXT, Ok(TEXT));
        let cut = &encoded[..encoded.len() / 2];
        assert_eq!(decoded(&HeaderMap::new(), cut, MAX_DECODED).as_deref(), Ok(cut));
    }

    #[test]
    fn what_cannot_be_decoded_is_an_error() {
        let encoded = gzip(TEXT);
        check("gzip", &encoded[..encoded.len() - 9], Err(Undecodable));
        check("gzip", b"<html>", Err(Undecodable));
        check("br", TEXT, Err(Undecodable));
        check("gzip, gzip, gzip", &gzip(&gzip(&gzip(TEXT))), Err(Undecodable));
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let fits = vec![b' '; MAX_DECODED];
        check("gzip", &gzip(&fits), Ok(&fits));
        check("gzip", &gzip(&vec![b' '; MAX_DECODED + 1]), Err(Undecodable));
        check("deflate", &zlib(&vec![b' '; 64 * MAX_DECODED]), Err(Undecodable));
    }
}
