//! Forms as real clients write them, and forms that another reader would read otherwise.

use super::{FormError, FormScanner, MAX_HEAD, boundary};

/// Reads the form in pieces of each size; all agree.
#[track_caller]
fn scan(form: &[u8]) -> Result<(), FormError> {
    let found = boundary("multipart/form-data; boundary=XX").expect("a boundary");
    let mut results = [1, 2, 3, 5, 7, 64, form.len().max(1)].map(|size| {
        let mut scanner = FormScanner::new(&found);
        form.chunks(size).try_for_each(|piece| scanner.read(piece))?;
        scanner.end()
    });
    results.rotate_left(1);
    for result in results {
        assert_eq!(result, results[0], "{}", String::from_utf8_lossy(form));
    }
    results[0]
}

const FILE: &str = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
                    Content-Type: image/png\r\n\r\n\u{89}PNG\r\n--X\r\n-\r\n";

/// A whole form of parts with these heads.
fn form(heads: &[&str]) -> Vec<u8> {
    let part = |head: &&str| format!("--XX\r\n{head}\r\n\r\nwhatsapp\r\n");
    let parts: String = heads.iter().map(part).collect();
    format!("{parts}--XX--\r\n").into_bytes()
}

const PRODUCT: &str = "Content-Disposition: form-data; name=\"messaging_product\"";

/// The heads of their parts, by client.
const CLIENTS: &[(&str, &[&str])] = &[
    ("requests, httpx, curl", &[PRODUCT]),
    (
        "requests",
        &[
            PRODUCT,
            "Content-Disposition: form-data; name=\"type\"",
            "Content-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
             Content-Type: image/png",
        ],
    ),
    (
        "requests with a name that is not ASCII",
        &["Content-Disposition: form-data; name=\"file\"; filename*=utf-8''na%C3%AFve.pdf"],
    ),
    (
        "aiohttp",
        &[
            "Content-Type: text/plain; charset=utf-8\r\n\
             Content-Disposition: form-data; name=\"messaging_product\"",
            "Content-Type: image/png\r\nContent-Disposition: form-data; name=\"file\"; \
             filename=\"na%C3%AFve.png\"; filename*=utf-8''na%C3%AFve.png",
        ],
    ),
    (
        "axios with form-data",
        &[
            PRODUCT,
            "Content-Disposition: form-data; name=\"file\"; filename=\"a b (1).png\"\r\n\
             Content-Type: image/png",
        ],
    ),
    (
        "undici",
        &["Content-Disposition: form-data; name=\"file\"; filename=\"blob%22.bin\"\r\n\
           Content-Type: application/octet-stream"],
    ),
    (
        "okhttp",
        &[
            "Content-Disposition: form-data; name=\"messaging_product\"\r\nContent-Length: 8",
            "Content-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
             Content-Type: image/png\r\nContent-Length: 8",
        ],
    ),
    (
        "Apache HttpClient",
        &["Content-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
           Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary"],
    ),
    (
        "httparty",
        &["Content-Disposition: form-data; name=\"file\"; filename=\"a;b.png\"\r\n\
           Content-Type: image/png"],
    ),
    (
        "multipart-post",
        &["Content-Disposition: form-data; name=\"file\"; filename=\"l\u{f6}we.png\"\r\n\
           Content-Length: 8\r\nContent-Type: image/png\r\n\
           Content-Transfer-Encoding: binary"],
    ),
    (
        ".NET",
        &[
            "Content-Type: text/plain; charset=utf-8\r\n\
             Content-Disposition: form-data; name=messaging_product",
            "Content-Disposition: form-data; name=file; filename=a.png; \
             filename*=utf-8''a.png",
        ],
    ),
    (
        "Jersey",
        &["Content-Type: image/png\r\nContent-Disposition: form-data; filename=\"a.png\"; \
           modification-date=\"Fri, 27 Nov 2026 10:00:00 GMT\"; size=8; name=\"file\"\r\n\
           Content-ID: <a@b>\r\nContent-Language: en\r\nMIME-Version: 1.0\r\nX-Part: 1"],
    ),
    ("Go", &["Content-Disposition: form-data; name=\"file\"; filename=\"a.png\""]),
];

#[test]
fn forms_of_real_clients_pass() {
    for (client, heads) in CLIENTS {
        assert_eq!(scan(&form(heads)), Ok(()), "{client}");
    }
}

#[test]
fn other_fields_are_refused() {
    for name in ["batch", "access_token", "method", "File", "file[]", "file ", "", "type\u{0}"] {
        let head = format!("Content-Disposition: form-data; name=\"{name}\"");
        let expected = if name.contains('\0') { FormError::Head } else { FormError::Field };
        assert_eq!(scan(&form(&[PRODUCT, &head])), Err(expected), "{name}");
    }
    assert_eq!(scan(&form(&[PRODUCT, PRODUCT])), Err(FormError::Repeated));
    let field = |head: &str| scan(&form(&[head]));
    assert_eq!(field("Content-Disposition: form-data; name=batch"), Err(FormError::Field));
}

#[test]
fn heads_that_could_be_read_otherwise_are_refused() {
    let long = format!("{PRODUCT}; filename=\"{}\"", "x".repeat(MAX_HEAD));
    for head in [
        "",
        "Content-Type: image/png",
        "Content-Disposition: form-data",
        "Content-Disposition: form-data; name",
        "Content-Disposition: form-data; filename=\"a\"",
        "Content-Disposition: attachment; name=\"file\"",
        "Content-Disposition: form-data name=\"file\"",
        "Content-Disposition: form-data; name=\"file\";",
        "Content-Disposition: form-data; name =\"file\"",
        "Content-Disposition: form-data; name=\"file",
        "Content-Disposition: form-data; name=\"file\"; name=\"batch\"",
        "Content-Disposition: form-data; name=\"file\"; name*=utf-8''batch",
        "Content-Disposition: form-data; name*=utf-8''file",
        "Content-Disposition: form-data; name*0=\"fi\"; name*1=\"le\"",
        "Content-Disposition: form-data; name=\"file\"; x=y",
        "Content-Disposition: form-data; name=\"file\"x",
        "Content-Disposition: form-data; name=\"file\"; filename=\"a\\\"; name=\\\"batch\"",
        "Content-Disposition: form-data; name=\"file\"; filename=\"a\\\\\"",
        "Content-Disposition: form-data; name=\"file\"; filename=\"a; name=batch; b\"",
        "Content-Disposition: form-data; name=\"file\"; filename='a; name=batch'",
        "Content-Disposition: form-data; name=\"file\"; filename=a'; name='batch",
        "Content-Disposition: form-data; name=\"file\"; filename=\"a\"; filename=\"b\"",
        "Content-Disposition: form-data; name=\"file\"; filename*=utf-7''a",
        "Content-Disposition: form-data; name=\"file\"; filename*=utf-8''a'b",
        "Content-Disposition: form-data;\r\n name=\"file\"",
        "Content-Disposition : form-data; name=\"file\"",
        " Content-Disposition: form-data; name=\"file\"",
        "Content-Disposition: form-data; name=\"file\"\nContent-Type: image/png",
        "Content-Disposition: form-data; name=\"file\"\rContent-Type: image/png",
        "Content-Disposition: form-data; name=\"file\"\r\n--XX",
        "Content-Disposition: form-data;\tname=\"file\"",
        "Content-Disposition: form-data; name=\"file\"\r\nContent-Transfer-Encoding: base64",
        "Content-Disposition: form-data; name=\"file\"\r\nContent-Type: multipart/mixed",
        "Content-Disposition: form-data; name=\"file\"\r\nContent-Type: a/b\r\nContent-Type: a/b",
        "Content-Disposition: form-data; name=\"file\"\r\nContent-Encoding: gzip",
        "Content-Disposition: form-data; name=\"file\"\r\nContent-Length: -1",
        "Content-Disposition: form-data; name=\"file\"\r\n\
         Content-Disposition: form-data; name=\"batch\"",
        &long,
    ] {
        let found = scan(&form(&[head]));
        assert_eq!(found, Err(FormError::Head), "{head}");
    }
}

#[test]
fn boundaries_are_exact() {
    let good = format!("{FILE}--XX--");
    let with = |from: &str, to: &str| scan(good.replacen(from, to, 1).as_bytes());
    assert_eq!(scan(good.as_bytes()), Ok(()));
    for end in ["\r\n", "\r\n\r\n", "\n"] {
        assert_eq!(scan(format!("{good}{end}").as_bytes()), Ok(()), "{end:?}");
    }
    assert_eq!(scan(format!("\r\n{good}").as_bytes()), Ok(()), "an empty line before it");
    for (from, to, expected) in [
        ("--XX\r\n", "x\r\n--XX\r\n", FormError::Outside),
        ("--XX\r\n", "\n--XX\r\n", FormError::Outside),
        ("--XX\r\n", "\r\n\r\n--XX\r\n", FormError::Outside),
        ("--XX\r\n", "--XY\r\n", FormError::Outside),
        ("--XX\r\n", "--XX \r\n", FormError::Boundary),
        ("--XX\r\n", "--XX\n", FormError::Boundary),
        ("--XX\r\n", "--XX\r", FormError::Boundary),
        ("--XX\r\n", "--XX\r\n\r\n", FormError::Head),
        ("--XX\r\nC", "--XX--\r\nC", FormError::Outside),
        ("PNG\r\n", "PNG\n--XX\r\n", FormError::Boundary),
        ("PNG\r\n", "PNG\r--XX\r\n", FormError::Boundary),
        ("PNG\r\n", "PNG\r\n--XXx\r\n", FormError::Boundary),
        ("PNG\r\n", "PNG\r\n--XX-x\r\n", FormError::Boundary),
        ("PNG\r\n", "PNG\r\n--XX\r\n", FormError::Incomplete),
        ("\u{89}PNG\r\n", "--XX\r\n", FormError::Boundary),
        ("--XX--", "--XX--x", FormError::Outside),
        ("--XX--", "--XX--\r\n--XX\r\n", FormError::Outside),
        ("--XX--", "--XX--\r\n\r\n\r\n", FormError::Outside),
        ("--XX--", "--XX-", FormError::Incomplete),
        ("--XX--", "", FormError::Incomplete),
    ] {
        assert_eq!(with(from, to), Err(expected), "{from:?} {to:?}");
    }
    assert_eq!(scan(b""), Err(FormError::Incomplete));
    assert_eq!(scan(b"batch=[]"), Err(FormError::Outside));
    assert_eq!(with("\u{89}PNG", "mid-line --XX\r\n\r--X\n\r\n-XX").map_err(|_| ()), Ok(()));
    let empty = format!("--XX\r\n{PRODUCT}\r\n\r\n\r\n--XX--");
    assert_eq!(scan(empty.as_bytes()), Ok(()), "an empty value");
}
