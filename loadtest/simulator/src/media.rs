//! Media upload and download: multipart in, an id and a URL out. Objects are kept in memory; beyond
//! the limits the oldest are dropped.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::graph_error::GraphError;
use crate::route::query_value;

/// Most media objects and bytes held at a time.
const OBJECTS_MAX: usize = 1_000;
const BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Debug, Clone)]
pub(crate) struct MediaObject {
    pub(crate) id: String,
    /// The phone number it was uploaded on; `None`: any.
    pub(crate) owner: Option<String>,
    pub(crate) mime_type: String,
    pub(crate) bytes: Bytes,
}

impl MediaObject {
    /// Whether a request that names `phone_number_id` in its query, if it does, is processed.
    pub(crate) fn is_of(&self, query: &str) -> bool {
        let named = query_value(query, "phone_number_id");
        named.is_none_or(|named| self.owner.as_ref().is_none_or(|owner| *owner == named))
    }

    /// The digest of its bytes, in hexadecimal.
    pub(crate) fn sha256(&self) -> String {
        let digest = Sha256::digest(&self.bytes);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[derive(Default)]
pub(crate) struct MediaStore {
    objects: Mutex<Objects>,
}

#[derive(Default)]
struct Objects {
    /// Uploads so far; the ids are counted from it.
    uploads: u64,
    kept: VecDeque<MediaObject>,
}

impl MediaStore {
    /// Stores one upload and returns its id.
    pub(crate) fn put(&self, owner: Option<&str>, mime_type: String, bytes: Bytes) -> String {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.uploads += 1;
        let id = (990_000_000_000_000 + objects.uploads).to_string();
        objects.kept.push_back(MediaObject {
            id: id.clone(),
            owner: owner.map(str::to_owned),
            mime_type,
            bytes,
        });
        let bytes = |objects: &Objects| -> usize {
            objects.kept.iter().map(|object| object.bytes.len()).sum()
        };
        while objects.kept.len() > OBJECTS_MAX || bytes(&objects) > BYTES_MAX {
            objects.kept.pop_front();
        }
        id
    }

    pub(crate) fn get(&self, id: &str) -> Option<MediaObject> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.kept.iter().find(|object| object.id == id).cloned()
    }

    /// Returns `true` if there was such an object.
    pub(crate) fn delete(&self, id: &str) -> bool {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let before = objects.kept.len();
        objects.kept.retain(|object| object.id != id);
        objects.kept.len() < before
    }
}

/// The `url` of a media object, with slashes and parameters like Meta's.
pub(crate) fn url(tls: bool, host: SocketAddr, id: &str) -> String {
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{host}/whatsapp_business/attachments/?mid={id}&ext=1793000000&hash=ARkz")
}

/// The range of `bytes=a-b` or `bytes=a-` in an object of that length; `None` if it is not one.
pub(crate) fn range(text: &str, length: usize) -> Option<Range<usize>> {
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    let from = from.parse::<usize>().ok()?;
    let to = if to.is_empty() { length } else { to.parse::<usize>().ok()?.saturating_add(1) };
    (from < to && to <= length).then_some(from..to)
}

/// One part of a form.
struct Part<'a> {
    name: &'a str,
    content_type: Option<&'a str>,
    start: usize,
    end: usize,
}

/// Reads an upload form: `messaging_product` unless `query` has it, `file`, and `type` unless the
/// file part names it. Returns the media type and the file's bytes.
pub(crate) fn read_upload(
    content_type: &str,
    query: &str,
    body: &Bytes,
) -> Result<(String, Bytes), GraphError> {
    let boundary = content_type
        .strip_prefix("multipart/form-data")
        .and_then(|rest| rest.split_once("boundary="))
        .map(|(_, boundary)| boundary.split(';').next().unwrap_or("").trim_matches('"'))
        .filter(|boundary| !boundary.is_empty())
        .ok_or_else(|| GraphError::new(100, "Expected a multipart/form-data upload"))?;
    let parts = parts(boundary, body);
    let find = |name: &str| parts.iter().find(|part| part.name == name);
    let text =
        |part: &Part<'_>| String::from_utf8_lossy(&body[part.start..part.end]).trim().to_owned();
    let product =
        find("messaging_product").map(text).or_else(|| query_value(query, "messaging_product"));
    if product.as_deref() != Some("whatsapp") {
        return Err(GraphError::new(100, "The parameter messaging_product is required."));
    }
    let file =
        find("file").ok_or_else(|| GraphError::new(100, "The parameter file is required."))?;
    let mime_type = find("type")
        .map(text)
        .or(file.content_type.map(str::to_owned))
        .filter(|mime_type| mime_type.contains('/'))
        .ok_or_else(|| GraphError::new(100, "The parameter type is required."))?;
    Ok((mime_type, body.slice(file.start..file.end)))
}

fn parts<'a>(boundary: &str, body: &'a [u8]) -> Vec<Part<'a>> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut position = find(body, delimiter.as_bytes(), 0);
    while let Some(start) = position.map(|start| start + delimiter.len()) {
        position = find(body, delimiter.as_bytes(), start);
        let Some(next) = position else {
            break;
        };
        let Some(head_end) = find(&body[..next], b"\r\n\r\n", start) else {
            continue;
        };
        let Ok(head) = std::str::from_utf8(&body[start..head_end]) else {
            continue;
        };
        let line = |wanted: &str| {
            head.split("\r\n").find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case(wanted).then(|| value.trim())
            })
        };
        let name = line("content-disposition").and_then(|value| {
            let (_, rest) = value.split_once("name=\"")?;
            rest.split('"').next()
        });
        let Some(name) = name else {
            continue;
        };
        let start = head_end + 4;
        parts.push(Part {
            name,
            content_type: line("content-type"),
            start,
            // The line break before the delimiter belongs to it.
            end: next.saturating_sub(2).max(start),
        });
    }
    parts
}

fn find(haystack: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let rest = haystack.get(from..)?;
    let offset = rest.windows(needle.len()).position(|window| window == needle)?;
    Some(from + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(range("bytes=2-5", 10), Some(2..6));
        assert_eq!(range("bytes=2-", 10), Some(2..10));
        for text in ["bytes=5-2", "bytes=2-10", "bytes=-2", "2-5", "bytes=a-b"] {
            assert_eq!(range(text, 10), None, "{text}");
        }
    }

    #[test]
    fn uploads() {
        let form = Bytes::from_static(
            b"--XX\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\n\
              whatsapp\r\n\
              --XX\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
              Content-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\r\n--XX--\r\n",
        );
        let (mime_type, file) =
            read_upload("multipart/form-data; boundary=\"XX\"", "", &form).unwrap();
        assert_eq!((mime_type.as_str(), &file[..]), ("image/png", &b"\x89PNG\r\n\x1a"[..]));
        assert!(read_upload("multipart/form-data; boundary=YY", "", &form).is_err());
        assert!(read_upload("application/json", "", &form).is_err());

        let file_alone = Bytes::from_static(
            b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
              Content-Type: image/png\r\n\r\n\x89PNG\r\n--XX--\r\n",
        );
        let read = |query| read_upload("multipart/form-data; boundary=XX", query, &file_alone);
        assert!(read("messaging_product=whatsapp").is_ok());
        assert!(read("messaging_product=x").is_err() && read("").is_err());

        let store = MediaStore::default();
        let id = store.put(Some("7"), mime_type, file);
        let object = store.get(&id).unwrap();
        assert_eq!(object.mime_type, "image/png");
        for (query, processed) in
            [("", true), ("phone_number_id=7", true), ("phone_number_id=8", false)]
        {
            assert_eq!(object.is_of(query), processed, "{query}");
        }
        assert!(store.delete(&id) && !store.delete(&id));
    }
}
