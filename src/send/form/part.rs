//! The head of one part of an upload form: which field it is, read so strictly that no reader finds
//! another one.

use super::error::FormError;

/// The fields of an upload that Graph documents.
pub(super) const FIELDS: [&str; 3] = ["messaging_product", "type", "file"];

/// What RFC 2183 lets a disposition say about a file; no reader looks for a field in it.
const ABOUT_FILES: [&str; 4] = ["size", "creation-date", "modification-date", "read-date"];

/// Encodings that are none.
const IDENTITY: [&str; 3] = ["7bit", "8bit", "binary"];

/// Which of [`FIELDS`] it is. `head` is lines without control characters, separated by CR LF.
pub(super) fn field(head: &[u8]) -> Result<usize, FormError> {
    let mut disposition = None;
    let mut others = [false; 5];
    for line in lines(head) {
        let colon = line.iter().position(|byte| *byte == b':').ok_or(FormError::Head)?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        if is("content-disposition") && disposition.is_none() {
            disposition = Some(value);
            continue;
        }
        let (other, good) = if is("content-type") {
            (0, !starts_with(value, b"multipart") && !starts_with(value, b"message"))
        } else if is("content-length") {
            (1, !value.is_empty() && value.iter().all(u8::is_ascii_digit))
        } else if is("content-transfer-encoding") {
            (2, IDENTITY.iter().any(|one| value.eq_ignore_ascii_case(one.as_bytes())))
        } else if is("content-id") {
            (3, true)
        } else if is("content-language") {
            (4, true)
        } else if starts_with(name, b"content-") || name.is_empty() || !name.iter().all(is_plain) {
            return Err(FormError::Head);
        } else {
            // RFC 7578: no reader looks at it.
            continue;
        };
        match others.get_mut(other) {
            Some(came) if good && !*came => *came = true,
            _ => return Err(FormError::Head),
        }
    }
    named(disposition.ok_or(FormError::Head)?)
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn starts_with(value: &[u8], prefix: &[u8]) -> bool {
    value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// The field that `form-data; name="..."` names, with at most a file name beside it.
fn named(disposition: &[u8]) -> Result<usize, FormError> {
    if !starts_with(disposition, b"form-data") {
        return Err(FormError::Head);
    }
    let mut rest = disposition.get(9..).unwrap_or_default().trim_ascii();
    let (mut name, mut filename, mut encoded) = (None, None, None);
    let mut about = [None; ABOUT_FILES.len()];
    while !rest.is_empty() {
        let after = rest.strip_prefix(b";").ok_or(FormError::Head)?.trim_ascii_start();
        let equals = after.iter().position(|byte| *byte == b'=').ok_or(FormError::Head)?;
        let (key, value) = after.split_at(equals);
        let (value, after) = value_of(value.get(1..).unwrap_or_default())?;
        let is = |wanted: &str| key.eq_ignore_ascii_case(wanted.as_bytes());
        let slot = match () {
            () if is("name") => &mut name,
            () if is("filename") && is_file_name(value) => &mut filename,
            () if is("filename*") && is_encoded_file_name(value) => &mut encoded,
            () => {
                let known = ABOUT_FILES.iter().position(|known| is(known));
                let slot = known.filter(|_| is_file_name(value)).and_then(|at| about.get_mut(at));
                slot.ok_or(FormError::Head)?
            }
        };
        if slot.replace(value).is_some() {
            return Err(FormError::Head);
        }
        rest = after.trim_ascii_start();
    }
    let Some(Value::Quoted(name) | Value::Token(name)) = name else {
        return Err(FormError::Head);
    };
    FIELDS.iter().position(|field| field.as_bytes() == name).ok_or(FormError::Field)
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Quoted(&'a [u8]),
    Token(&'a [u8]),
}

/// The value that begins here, and what follows it.
fn value_of(text: &[u8]) -> Result<(Value<'_>, &[u8]), FormError> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| matches!(byte, b';' | b' '));
        let (token, after) = text.split_at(end.unwrap_or(text.len()));
        return Ok((Value::Token(token), after));
    };
    let end = quoted.iter().position(|byte| *byte == b'"').ok_or(FormError::Head)?;
    let (value, after) = quoted.split_at(end);
    // A backslash escapes the quote for some readers only.
    if value.contains(&b'\\') {
        return Err(FormError::Head);
    }
    Ok((Value::Quoted(value), after.get(1..).unwrap_or_default()))
}

fn is_file_name(value: Value<'_>) -> bool {
    match value {
        // A reader that knows no quotes would find a parameter in it.
        Value::Quoted(name) => !(name.contains(&b';') && name.contains(&b'=')),
        Value::Token(name) => !name.is_empty() && name.iter().all(is_plain),
    }
}

/// `utf-8''a%20b.png`.
fn is_encoded_file_name(value: Value<'_>) -> bool {
    let Value::Token(name) = value else { return false };
    let rest = name.get(..5).filter(|set| set.eq_ignore_ascii_case(b"utf-8")).and(name.get(5..));
    let rest = rest.and_then(|rest| rest.strip_prefix(b"''"));
    rest.is_some_and(|rest| rest.iter().all(is_plain))
}

fn is_plain(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~!#$&+%^`|".contains(byte)
}
