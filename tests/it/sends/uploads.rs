//! Media uploads: forms of real clients arrive byte for byte, and nothing else does.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Backend, KEY, NUMBER, Scripted, Setup, World, on_every_ledger};

on_every_ledger!(
    forms_of_real_clients_arrive_as_they_are,
    other_bodies_never_arrive,
    a_form_that_turns_bad_late_never_arrives_whole,
    a_body_that_trickles_in_ends,
);

const FILE: &[u8] = b"\x89PNG\r\n--\r\n\x1a\n--X\r\n";

/// A form of the parts with these heads; the last is the file's.
fn form(boundary: &str, heads: &[&str]) -> Vec<u8> {
    let mut form = Vec::new();
    for (n, head) in heads.iter().enumerate() {
        form.extend_from_slice(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
        let file = n + 1 == heads.len();
        form.extend_from_slice(if file { FILE } else { &b"whatsapp"[..] });
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    form
}

fn media() -> String {
    format!("/v24.0/{NUMBER}/media")
}

async fn forms_of_real_clients_arrive_as_they_are(backend: Backend) {
    let upstream = Scripted::start().await;
    let world = World::of(Setup::on(backend).set("upstream.url", upstream.url())).await;
    upstream.answers(200, "content-type: application/json", br#"{"id":"1"}"#);
    let product = "Content-Disposition: form-data; name=\"messaging_product\"";
    let file = "Content-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
                Content-Type: image/png";
    for (client, boundary, heads) in [
        ("requests", "2a8ae6ad0e1d4ee6b6a5b5ff5fc3e0a1", &[product, file][..]),
        ("httpx", "0f9d1e2c3b4a59687f6e5d4c3b2a1908", &[product, file]),
        (
            "aiohttp",
            "6a1c0b7e5d4f4e7b9c0d1e2f3a4b5c6d",
            &[
                "Content-Type: text/plain; charset=utf-8\r\n\
                 Content-Disposition: form-data; name=\"messaging_product\"",
                "Content-Type: image/png\r\n\
                 Content-Disposition: form-data; name=\"file\"; filename=\"a.png\"",
            ],
        ),
        (
            "axios with form-data",
            "--------------------------735323031399963166993862",
            &[product, file],
        ),
        ("undici", "----formdata-undici-0123456789012", &[product, file]),
        ("curl", "------------------------d74496d66958873e", &[product, file]),
        (
            "okhttp",
            "3f5a1c1e-7e6b-4d6e-9a3b-1c2d3e4f5a6b",
            &[
                "Content-Disposition: form-data; name=\"messaging_product\"\r\nContent-Length: 8",
                "Content-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
                 Content-Type: image/png\r\nContent-Length: 16",
            ],
        ),
        ("httparty", "------------------------hC9WwYQYTxtm7Hx7", &[product, file]),
        ("a browser", "----WebKitFormBoundary7MA4YWxkTrZu0gW", &[product, file]),
    ] {
        for query in ["", "?messaging_product=whatsapp&type=image/png"] {
            let body = form(boundary, heads);
            let kind = format!("multipart/form-data; boundary={boundary}");
            let upload = world.data(Method::POST, &format!("{}{query}", media()));
            let reply = upload.header("content-type", &kind).body(body.clone()).await;
            assert_eq!(reply.summary(), "200", "{client}: {}", reply.json);
            let request = upstream.requests().remove(0);
            assert!(request.ends_with(&[b"\r\n\r\n", &body[..]].concat()), "{client}");
            let head =
                String::from_utf8_lossy(&request[..request.len() - body.len()]).to_lowercase();
            assert!(head.contains(&format!("content-type: {}\r\n", kind.to_lowercase())), "{head}");
            assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
            assert!(head.starts_with(&format!("post {}{query} http", media())), "{head}");
        }
    }
}

async fn other_bodies_never_arrive(backend: Backend) {
    let world = World::on(backend).await;
    let field = |name: &str| format!("Content-Disposition: form-data; name=\"{name}\"");
    let (product, file) = (field("messaging_product"), field("file"));
    let kind = "multipart/form-data; boundary=XX";
    let of = |heads: &[&str]| Bytes::from(form("XX", heads));
    for (content_type, body, expected) in [
        ("application/x-www-form-urlencoded", "batch=[]".into(), "415 unsupported_media_type"),
        ("application/json", r#"{"batch":[]}"#.into(), "415 unsupported_media_type"),
        ("", of(&[&product, &file]), "415 unsupported_media_type"),
        ("multipart/mixed; boundary=XX", of(&[&file]), "415 unsupported_media_type"),
        (
            "multipart/form-data; boundary=XX; boundary=Y",
            of(&[&file]),
            "415 unsupported_media_type",
        ),
        (kind, of(&[&product, &field("batch"), &file]), "403 path_not_allowed"),
        (kind, of(&[&field("access_token"), &file]), "403 path_not_allowed"),
        (kind, of(&[&product, &product, &file]), "403 path_not_allowed"),
        (kind, of(&["content-disposition: form-data; name*=utf-8''batch"]), "400 malformed"),
        (kind, "batch=[]".into(), "400 malformed"),
        (kind, "".into(), "400 malformed"),
        (kind, [&b"x\r\n"[..], &of(&[&file])].concat().into(), "400 malformed"),
        (kind, [&of(&[&file])[..], &of(&[&file])].concat().into(), "400 malformed"),
        (kind, of(&[&file]).slice(..60), "400 malformed"),
    ] {
        let reply = world.data(Method::POST, &media()).header("content-type", content_type);
        let reply = reply.body(body.clone()).await;
        assert_eq!(reply.summary(), expected, "{content_type} {body:?}");
    }
    let good = || world.data(Method::POST, &media()).body(of(&[&product, &file]));
    let encoded = good().header("content-type", kind).header("content-encoding", "gzip").await;
    assert_eq!(encoded.summary(), "415 unsupported_media_type");
    let twice = good().header("content-type", kind).and_header("content-type", kind).await;
    assert_eq!(twice.summary(), "415 unsupported_media_type");
    let odd = world.data(Method::POST, &format!("{}?to=1", media())).header("content-type", kind);
    assert_eq!(odd.body(of(&[&product, &file])).await.summary(), "403 path_not_allowed");
    assert_eq!(world.simulator.requests_count(), 0);
}

async fn a_form_that_turns_bad_late_never_arrives_whole(backend: Backend) {
    let upstream = Scripted::start().await;
    let world = World::of(Setup::on(backend).set("upstream.url", upstream.url())).await;
    upstream.answers(200, "content-type: application/json", br#"{"id":"1"}"#);
    let head = "--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n";
    let file = vec![b'x'; 3_000_000];
    let send = async |end: &str| {
        let body = [head.as_bytes(), &file, end.as_bytes()].concat();
        let upload = world.data(Method::POST, &media());
        upload.header("content-type", "multipart/form-data; boundary=XX").body(body).await
    };
    let batch = "\r\n--XX\r\nContent-Disposition: form-data; name=\"batch\"\r\n\r\n[]\r\n--XX--";
    for (end, expected) in [
        (batch, "403 path_not_allowed"),
        ("\r\n--XX--\r\n--XX", "400 malformed"),
        ("\r\n", "400 malformed"),
    ] {
        assert_eq!(send(end).await.summary(), expected, "{end}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(upstream.requests().is_empty(), "{end}: it must not be carried out");
    }
    assert_eq!(send("\r\n--XX--\r\n").await.summary(), "200");
    assert!(upstream.requests()[0].len() > file.len());
}

async fn a_body_that_trickles_in_ends(backend: Backend) {
    let setup = Setup::on(backend).set("pass_through.stall_timeout_ms", 500);
    let world = World::of(setup).await;
    let mut stream = TcpStream::connect(world.data).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: multipart/form-data; boundary=XX\r\nContent-Length: 100000\r\n\r\n\
         --XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n",
        media()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let trickle = tokio::spawn(async move {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut reply = vec![0; 1024];
    let read = tokio::time::timeout(Duration::from_secs(10), reading.read(&mut reply)).await;
    let length = read.expect("it ends").unwrap();
    let reply = String::from_utf8_lossy(&reply[..length]).into_owned();
    assert!(reply.starts_with("HTTP/1.1 408 "), "{reply}");
    trickle.abort();
    assert_eq!(world.simulator.requests_count(), 0);
}
