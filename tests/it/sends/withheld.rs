//! The channel's token and Meta's own addresses never reach an engine, whatever Meta replies: links
//! are rewritten wherever they are, and what cannot be read or still has the token is not passed
//! back.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;

use crate::support::{
    Backend, META_TOKEN, NUMBER, Reply, Scripted, Setup, WABA, World, indian, marketing,
    on_every_ledger,
};

on_every_ledger!(
    an_answer_with_the_token_is_withheld,
    an_error_to_a_send_is_withheld_and_judged_by_what_came,
    links_at_any_depth_lead_here,
    a_media_object_is_given_out_with_a_url_of_the_gateway_only,
    what_would_ask_for_such_answers_is_refused,
);

const JSON: &str = "content-type: application/json; charset=UTF-8";

async fn world(backend: Backend, upstream: &Scripted) -> World {
    let setup = Setup::on(backend).media_host("lookaside.fbsbx.com");
    World::of(setup.set("upstream.url", upstream.url())).await
}

#[track_caller]
fn check_clean(reply: &Reply) {
    let whole = format!("{:?} {}", reply.headers, String::from_utf8_lossy(&reply.body));
    assert!(!whole.contains(META_TOKEN), "{whole}");
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Each byte of the token as an escape of that form.
fn escaped(form: fn(u8) -> String) -> String {
    META_TOKEN.bytes().map(form).collect()
}

async fn an_answer_with_the_token_is_withheld(backend: Backend) {
    let upstream = Scripted::start().await;
    let world = world(backend, &upstream).await;
    let unicode = escaped(|byte| format!("\\u{byte:04x}"));
    let percent = escaped(|byte| format!("%{byte:02X}"));
    let list =
        format!(r#"{{"data":[],"paging":{{"next":"https://meta/l?access_token={META_TOKEN}"}}}}"#);
    let error = format!(r#"{{"error":{{"code":190,"message":"Malformed token {META_TOKEN}"}}}}"#);
    let rows: Vec<(&str, u16, String, Vec<u8>)> = vec![
        ("JSONP", 200, "content-type: text/javascript".into(), format!("/**/x({list});").into()),
        ("a BOM", 200, JSON.into(), format!("\u{feff}{list}").into()),
        ("not JSON", 200, "content-type: text/html".into(), "<html></html>".into()),
        ("cut", 200, JSON.into(), list[..list.len() - 1].into()),
        ("a field", 200, JSON.into(), format!(r#"{{"token":"{META_TOKEN}"}}"#).into()),
        ("in unicode", 200, JSON.into(), format!(r#"{{"token":"{unicode}"}}"#).into()),
        ("percent-encoded", 200, JSON.into(), format!(r#"{{"url":"a?b={percent}"}}"#).into()),
        ("a key", 200, JSON.into(), format!(r#"{{"{META_TOKEN}":1}}"#).into()),
        (
            "another name of it",
            200,
            JSON.into(),
            format!(r#"{{"paging":{{"next":"https://meta/l?Access_Token={META_TOKEN}"}}}}"#).into(),
        ),
        (
            "a link that is none",
            200,
            JSON.into(),
            format!(r#"{{"paging":{{"next":["a?access_token={META_TOKEN}"]}}}}"#).into(),
        ),
        ("an error", 400, JSON.into(), error.clone().into()),
        ("an encoded error", 400, format!("{JSON}\r\ncontent-encoding: gzip"), gzip(&error)),
        ("encoded without a word", 400, JSON.into(), gzip(&error)),
        ("an unknown encoding", 400, format!("{JSON}\r\ncontent-encoding: br"), vec![1, 2]),
        ("no text", 500, "content-type: text/html".into(), vec![0xff, 0xfe, 0]),
        ("a header", 200, format!("{JSON}\r\nx-next: a?b={META_TOKEN}"), b"{}".to_vec()),
        ("a page of an error", 502, "content-type: text/html".into(), META_TOKEN.into()),
    ];
    for (name, status, head, body) in rows {
        for path in [format!("/v24.0/{WABA}/message_templates"), format!("/v24.0/{NUMBER}")] {
            upstream.answers(status, &head, &body);
            let reply = world.data(Method::GET, &path).await;
            assert_eq!(reply.summary(), "504 upstream_no_answer", "{name}: {path}");
            check_clean(&reply);
            assert_eq!(upstream.requests().len(), 1, "{name}");
        }
    }
    // Also of writes, and of what is not read but answered by something in front of Meta.
    upstream.answers(400, JSON, error.as_bytes());
    let profile = format!("/v24.0/{NUMBER}/whatsapp_business_profile");
    let write = world.post(&profile, r#"{"messaging_product":"whatsapp"}"#).await;
    assert_eq!(write.summary(), "504 upstream_no_answer");
    upstream.answers(502, "content-type: text/html", b"<html>Bad gateway</html>");
    let reply = world.data(Method::GET, &profile).await;
    assert_eq!((reply.status, &reply.body[..]), (502, &b"<html>Bad gateway</html>"[..]));
}

async fn an_error_to_a_send_is_withheld_and_judged_by_what_came(backend: Backend) {
    let upstream = Scripted::start().await;
    let world = world(backend, &upstream).await;
    let error = |code: u32| {
        format!(r#"{{"error":{{"code":{code},"message":"Malformed token {META_TOKEN}"}}}}"#)
    };
    let receipt = crate::support::READ_RECEIPT.to_owned();
    for (body, status, said, head, expected) in [
        (marketing(&indian(1)), 400, error(190), JSON.to_owned(), "400 #190"),
        (marketing(&indian(2)), 503, error(2), JSON.to_owned(), "503 #2"),
        (receipt, 401, error(190), JSON.to_owned(), "401 #190"),
        (
            marketing(&indian(3)),
            403,
            "<html></html>".to_owned(),
            format!("content-type: text/html\r\nx-debug: {META_TOKEN}"),
            "403 #190",
        ),
    ] {
        upstream.answers(status, &head, said.as_bytes());
        let reply = world.send(body).await;
        assert_eq!(reply.summary(), expected);
        check_clean(&reply);
    }
    assert_eq!(world.books().await.available, 100_000_000, "all of them were refused");
    assert!(world.holds("in_doubt").await.is_empty());
}

async fn links_at_any_depth_lead_here(backend: Backend) {
    let upstream = Scripted::start().await;
    let world = world(backend, &upstream).await;
    let codes = format!("v24.0/{NUMBER}/message_qrdls");
    let body = format!(
        r#"{{"id":"{NUMBER}","message_qrdls":{{"data":[],"paging":{{"cursors":{{}},
            "next":"https:\/\/graph.facebook.com\/{codes}?access_token={META_TOKEN}&after=x"}}}}}}"#
    );
    upstream.answers(200, JSON, body.as_bytes());
    let number = world.data(Method::GET, &format!("/v24.0/{NUMBER}?fields=message_qrdls")).await;
    check_clean(&number);
    let next = number.text("/message_qrdls/paging/next");
    assert_eq!(next, format!("http://{}/{codes}?after=x", world.data));
    let link = format!("https://graph.facebook.com/v24.0/{WABA}/message_templates");
    let twice = format!(
        r#"{{"paging":{{"next":"{link}?access_token={META_TOKEN}&after=1"}},
            "paging":{{"previous":"{link}?access_token={META_TOKEN}","next":null}}}}"#
    );
    // In an encoding that was not asked for, as if that were not enough.
    upstream.answers(200, &format!("{JSON}\r\ncontent-encoding: gzip"), &gzip(&twice));
    let list = world.data(Method::GET, &format!("/v24.0/{WABA}/message_templates")).await;
    assert_eq!(list.summary(), "200");
    check_clean(&list);
    let text = String::from_utf8_lossy(&list.body).into_owned();
    let here = format!("\"http://{}/v24.0/{WABA}/message_templates", world.data);
    assert_eq!((text.matches(&here).count(), text.contains("facebook")), (2, false), "{text}");
}

async fn a_media_object_is_given_out_with_a_url_of_the_gateway_only(backend: Backend) {
    let upstream = Scripted::start().await;
    let world = world(backend, &upstream).await;
    let url = "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1";
    let object = |url: &str| format!(r#"{{"id":"1","mime_type":"image/png","url":"{url}"}}"#);
    let good = object(url);
    let leak = object(&format!("{url}&access_token={META_TOKEN}"));
    let long = format!("{}{good}", " ".repeat(100_000));
    let rows: Vec<(&str, &str, Vec<u8>, &str)> = vec![
        ("good", JSON, good.clone().into(), "200"),
        ("of another type", "content-type: text/plain", good.clone().into(), "200"),
        ("long", JSON, long.into(), "200"),
        ("encoded", "content-encoding: gzip", gzip(&good), "200"),
        (
            "encoded otherwise",
            "content-encoding: br",
            good.clone().into(),
            "504 upstream_no_answer",
        ),
        ("a BOM", JSON, format!("\u{feff}{good}").into(), "504 upstream_no_answer"),
        (
            "two URLs",
            JSON,
            good.replace("\"id\"", &format!("\"url\":\"{url}\",\"id\"")).into(),
            "504 upstream_no_answer",
        ),
        ("a list", JSON, format!("[{good}]").into(), "504 upstream_no_answer"),
        ("with the token", JSON, leak.into(), "504 upstream_no_answer"),
        ("elsewhere", JSON, object("https://evil.test/a").into(), "403 path_not_allowed"),
        ("no address", JSON, object("x").into(), "403 path_not_allowed"),
        ("something else", JSON, br#"{"id":"1","name":"Shop"}"#.to_vec(), "403 channel_unknown"),
    ];
    for (name, head, body, expected) in rows {
        upstream.answers(200, head, &body);
        let reply = world.data(Method::GET, &format!("/v24.0/1?phone_number_id={NUMBER}")).await;
        assert_eq!(reply.summary(), expected, "{name}: {}", reply.json);
        check_clean(&reply);
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(!text.contains("fbsbx") && !text.contains("evil.test/"), "{name}: {text}");
        let here = format!("http://{}/media/", world.data);
        assert_eq!(reply.text("/url").starts_with(&here), expected == "200", "{name}: {text}");
    }
}

async fn what_would_ask_for_such_answers_is_refused(backend: Backend) {
    let upstream = Scripted::start().await;
    let world = world(backend, &upstream).await;
    upstream.answers(200, JSON, b"{}");
    let get = async |path: &str, query: &str| {
        let path = format!("/v24.0/{path}?{query}");
        world.data(Method::GET, &path).await.summary()
    };
    let templates = format!("{WABA}/message_templates");
    let profile = format!("{NUMBER}/whatsapp_business_profile");
    for path in [NUMBER, &templates, &profile] {
        for query in [
            "callback=x",
            "limit=1&CALLBACK=x",
            "fields=message_qrdls.limit(1)",
            "fields=id,owner%7Bname%7D",
            "batch[0][method]=POST",
            "+access_token=x",
        ] {
            assert_eq!(get(path, query).await, "403 path_not_allowed", "{path}?{query}");
        }
    }
    assert!(upstream.requests().is_empty());
    // What SDKs and inboxes ask for.
    for (path, query) in [
        (NUMBER, "fields=id,verified_name,display_phone_number,quality_rating,throughput"),
        (NUMBER, "fields=quality_rating%2Cmessaging_limit_tier%2Ccode_verification_status"),
        (NUMBER, "fields=webhook_configuration,health_status,last_onboarded_time,certificate"),
        (&templates, "fields=name,language,status,quality_score,components&limit=100"),
        (&templates, "status=APPROVED&name_or_content=offer&after=QVFIUk&summary=total_count"),
        (&profile, "fields=about,address,description,email,profile_picture_url,websites,vertical"),
    ] {
        assert_eq!(get(path, query).await, "200", "{path}?{query}");
        let request = upstream.requests().remove(0);
        let line = format!("GET /v24.0/{path}?{query} HTTP/1.1\r\n");
        assert!(Bytes::from(request).starts_with(line.as_bytes()), "{line}");
    }
}
