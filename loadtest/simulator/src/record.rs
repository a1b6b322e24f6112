//! What the simulator has seen: counters, and a bounded list of the messages it accepted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Serialize;

use crate::message::{self, Address, Message, Posted, SendPath};
use crate::random::mix;

/// Requests other than sends that are kept, the newest.
const READS_MAX: usize = 1_000;

/// However many messages are kept, their text never exceeds this.
const KEPT_BYTES_MAX: usize = 512 * 1024 * 1024;

/// One message the simulator accepted, as it arrived.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Counts up from 0 and is not reset, so that message ids stay unique.
    pub sequence: u64,
    /// Path and query as received.
    pub path: String,
    /// The phone number ID in the path.
    pub phone_number_id: String,
    /// `to` as written, else the business-scoped user id.
    pub recipient: String,
    /// The message type: `text`, `template`, ...
    pub kind: String,
    /// Name and language code, for templates.
    pub template: Option<(String, String)>,
    /// The message id of the reply, also if a fault kept the reply from the client.
    pub message_id: String,
    /// Headers as received, `authorization` included.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
}

/// One request that was no send and no read receipt, as it arrived.
#[derive(Debug, Clone)]
pub struct Read {
    /// `GET`, `POST` or `DELETE`.
    pub method: Method,
    /// Path and query as received.
    pub path: String,
    /// It came to the host of media downloads.
    pub media_host: bool,
    /// Headers as received, `authorization` included.
    pub headers: HeaderMap,
}

/// The counters, as `GET /_simulator/stats` shows them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Stats {
    /// Graph requests of any kind.
    pub requests: u64,
    /// Messages accepted.
    pub accepted: u64,
    /// Messages accepted, by phone number ID.
    pub accepted_by_phone_number_id: BTreeMap<String, u64>,
    /// Read receipts taken.
    pub read_receipts: u64,
    /// Graph errors given, by code: faults, limits and invalid requests.
    pub refused: BTreeMap<i64, u64>,
    /// Requests a scripted fault struck.
    pub faults: u64,
    /// Requests to paths the simulator does not serve (calls, encrypted messages, batches among
    /// them).
    pub unknown_paths: u64,
    /// Accepted messages still in the list.
    pub kept: u64,
}

#[derive(Default)]
pub(crate) struct Record {
    seed: u64,
    /// Most messages to keep.
    keep: usize,
    pub(crate) requests: AtomicU64,
    accepted: AtomicU64,
    next_sequence: AtomicU64,
    pub(crate) read_receipts: AtomicU64,
    pub(crate) faults: AtomicU64,
    pub(crate) unknown_paths: AtomicU64,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    by_phone_number_id: HashMap<Box<str>, u64>,
    refused: BTreeMap<i64, u64>,
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    reads: VecDeque<Read>,
}

/// One accepted message in one allocation: path, then headers as lines, then body. (Keeping the
/// request itself would pin the whole read buffer it was cut from.)
struct Kept {
    sequence: u64,
    send_path: SendPath,
    path_end: u32,
    headers_end: u32,
    text: Box<[u8]>,
}

/// What a send path received, apart from the body.
pub(crate) struct Envelope<'a> {
    pub(crate) send_path: SendPath,
    pub(crate) phone_number_id: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
}

impl Record {
    pub(crate) fn new(seed: u64, keep: usize) -> Record {
        Record { seed, keep, ..Record::default() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one message, keeps it if there is room for any, and returns its id.
    pub(crate) fn accept(
        &self,
        envelope: &Envelope<'_>,
        message: &Message<'_>,
        body: &[u8],
    ) -> String {
        let sequence = self.next_sequence.fetch_add(1, Ordering::Relaxed);
        self.accepted.fetch_add(1, Ordering::AcqRel);
        let kept = (self.keep > 0).then(|| Kept::new(sequence, envelope, body));
        let mut book = self.book();
        match book.by_phone_number_id.get_mut(envelope.phone_number_id) {
            Some(count) => *count += 1,
            None => {
                let id = envelope.phone_number_id.into();
                book.by_phone_number_id.insert(id, 1);
            }
        }
        if let Some(kept) = kept {
            book.kept_bytes += kept.text.len();
            book.kept.push_back(kept);
            while book.kept.len() > self.keep || book.kept_bytes > KEPT_BYTES_MAX {
                let oldest = book.kept.pop_front().map_or(0, |oldest| oldest.text.len());
                book.kept_bytes -= oldest;
            }
        }
        drop(book);
        message_id(self.seed, sequence, &wa_id(&message.address))
    }

    pub(crate) fn refused(&self, code: i64) {
        *self.book().refused.entry(code).or_default() += 1;
    }

    /// Keeps a request that is no send.
    pub(crate) fn read(&self, read: Read) {
        let mut book = self.book();
        if book.reads.len() == READS_MAX {
            book.reads.pop_front();
        }
        book.reads.push_back(read);
    }

    pub(crate) fn reads(&self) -> Vec<Read> {
        self.book().reads.iter().cloned().collect()
    }

    pub(crate) fn accepted_count(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    /// Returns the kept messages from `offset` on, oldest first, at most `limit`.
    pub(crate) fn accepted(&self, offset: usize, limit: usize) -> Vec<Accepted> {
        let book = self.book();
        let some = book.kept.iter().skip(offset).take(limit);
        some.filter_map(|kept| kept.unfold(self.seed)).collect()
    }

    pub(crate) fn stats(&self) -> Stats {
        let book = self.book();
        let count = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        let by_id = book.by_phone_number_id.iter();
        Stats {
            requests: count(&self.requests),
            accepted: count(&self.accepted),
            accepted_by_phone_number_id: by_id
                .map(|(id, count)| (id.to_string(), *count))
                .collect(),
            read_receipts: count(&self.read_receipts),
            refused: book.refused.clone(),
            faults: count(&self.faults),
            unknown_paths: count(&self.unknown_paths),
            kept: book.kept.len() as u64,
        }
    }

    /// Sets the counters to zero and drops the kept messages.
    pub(crate) fn reset(&self) {
        let mut book = self.book();
        *book = Book::default();
        for counter in
            [&self.requests, &self.accepted, &self.read_receipts, &self.faults, &self.unknown_paths]
        {
            counter.store(0, Ordering::Release);
        }
    }
}

impl Kept {
    fn new(sequence: u64, envelope: &Envelope<'_>, body: &[u8]) -> Kept {
        let headers = envelope.headers.iter();
        let headers_len: usize =
            headers.map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
        let mut text = Vec::with_capacity(envelope.path.len() + headers_len + body.len());
        text.extend_from_slice(envelope.path.as_bytes());
        let path_end = text.len();
        for (name, value) in envelope.headers {
            text.extend_from_slice(name.as_str().as_bytes());
            text.push(b':');
            text.extend_from_slice(value.as_bytes());
            text.push(b'\n');
        }
        let headers_end = text.len();
        text.extend_from_slice(body);
        Kept {
            sequence,
            send_path: envelope.send_path,
            // The server bounds heads far below 4 GiB.
            path_end: path_end as u32,
            headers_end: headers_end as u32,
            text: text.into_boxed_slice(),
        }
    }

    /// Returns the message as it was accepted. `None` does not occur in practice: only messages
    /// that were read before are kept.
    fn unfold(&self, seed: u64) -> Option<Accepted> {
        let (head, body) = self.text.split_at(self.headers_end as usize);
        let (path, headers) = head.split_at(self.path_end as usize);
        let Ok(Posted::Message(message)) = message::read(self.send_path, body) else {
            return None;
        };
        let path = String::from_utf8_lossy(path).into_owned();
        let mut segments = path.split('?').next()?.rsplit('/').filter(|part| !part.is_empty());
        let phone_number_id = segments.nth(1)?.to_owned();
        let template = message.template.as_ref();
        Some(Accepted {
            sequence: self.sequence,
            phone_number_id,
            recipient: message.address.as_written().to_owned(),
            kind: message.kind.name().to_owned(),
            template: template.map(|used| (used.name.to_string(), used.language.to_string())),
            message_id: message_id(seed, self.sequence, &wa_id(&message.address)),
            headers: headers_from(headers),
            body: Bytes::copy_from_slice(body),
            path,
        })
    }
}

fn headers_from(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(&line[colon + 1..]);
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

/// Returns the WhatsApp id in Meta's reply: the digits, in the one form in which Meta knows a
/// number that has several - Brazilian mobiles without the extra 9, Mexican ones with a 1,
/// Argentine ones with a 9 and without a 15. Group ids and user ids are unchanged.
pub(crate) fn wa_id(address: &Address<'_>) -> String {
    let Address::Phone(phone) = address else {
        return address.as_written().to_owned();
    };
    let mut digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    match (digits.get(..2), digits.len()) {
        (Some("55"), 13) if digits.as_bytes()[4] == b'9' => drop(digits.remove(4)),
        (Some("52"), 12) => digits.insert(2, '1'),
        (Some("54"), 12) => digits.insert(2, '9'),
        (Some("54"), 14) => {
            // Area codes have two digits, if that is 11, or three or four.
            let ends = if digits[2..].starts_with("11") { 4..5 } else { 5..7 };
            if let Some(at) = ends.into_iter().find(|at| digits[*at..].starts_with("15")) {
                digits.replace_range(at..at + 2, "");
                digits.insert(2, '9');
            }
        }
        _ => {}
    }
    digits
}

/// Returns a message id built like Meta's: base64 over a small structure that holds the recipient
/// and a number. Unique per (seed, sequence): the number is a bijection of the two.
fn message_id(seed: u64, sequence: u64, wa_id: &str) -> String {
    let recipient = &wa_id.as_bytes()[..wa_id.len().min(20)];
    let mut raw = Vec::with_capacity(32 + recipient.len());
    raw.extend_from_slice(&[0x1c, 0x18, recipient.len() as u8]);
    raw.extend_from_slice(recipient);
    raw.extend_from_slice(&[0x15, 0x02, 0x00, 0x11, 0x18, 0x12]);
    raw.extend_from_slice(b"3A");
    let number = mix(seed ^ mix(sequence));
    for shift in (0..16).rev() {
        let nibble = ((number >> (shift * 4)) & 0xf) as usize;
        raw.push(b"0123456789ABCDEF"[nibble]);
    }
    raw.push(0);
    let mut id = String::with_capacity(6 + raw.len().div_ceil(3) * 4);
    id.push_str("wamid.");
    push_base64(&mut id, &raw);
    id
}

/// Appends standard base64 with padding.
pub(crate) fn push_base64(target: &mut String, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for position in 0..4 {
            let letter = ALPHABET[((bits >> (18 - 6 * position)) & 0x3f) as usize];
            target.push(match position <= chunk.len() {
                true => char::from(letter),
                false => '=',
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_rfc_4648() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foobar", "Zm9vYmFy")] {
            let mut text = String::new();
            push_base64(&mut text, plain.as_bytes());
            assert_eq!(text, coded);
        }
    }

    #[test]
    fn message_ids_look_like_metas_and_differ() {
        let first = message_id(1, 0, "16505550144");
        assert!(first.starts_with("wamid.HBgLMTY1MDU1NTAxNDQVAgARGBI"), "{first}");
        let ids: std::collections::HashSet<String> =
            (0..1_000).map(|sequence| message_id(1, sequence, "1")).collect();
        assert_eq!(ids.len(), 1_000);
        assert_ne!(message_id(2, 0, "1"), message_id(1, 0, "1"));
    }
}
