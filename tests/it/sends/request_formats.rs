//! What real clients do to a body and its frame: most of it must work, and arrive as it was sent;
//! the rest is refused by name.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{
    Backend, KEY, NUMBER, Setup, World, indian, marketing, on_every_ledger, text,
};

on_every_ledger!(
    bodies_as_sdks_write_them_pass_unchanged,
    ambiguous_bodies_are_refused,
    frames_as_clients_send_them_pass,
    what_is_not_plain_json_is_refused,
    numbers_without_a_plus_are_read_as_configured,
    one_connection_carries_many_sends,
    request_ids_and_traces_are_kept,
    a_body_that_does_not_come_is_not_waited_for,
);

const SENT: &str = "200 0.025 USD marketing North America";

/// A template body with these members instead of `to` and `recipient_type`.
fn with(members: &str) -> String {
    let template = r#"{"name":"spring_offer","language":{"code":"en_US"}}"#;
    format!(
        r#"{{"messaging_product":"whatsapp",{members},"type":"template","template":{template}}}"#
    )
}

async fn bodies_as_sdks_write_them_pass_unchanged(backend: Backend) {
    let world = World::on(backend).await;
    let content = r#""template":{"name":"spring_offer","language":{"code":"en_US"}}"#;
    let bodies = [
        with(r#""to":"+16505550144""#),
        with(r#""to":"16505550144""#),
        with(r#""to":"+1 (650) 555-0144""#),
        with(r#""to":"1-650-555-0144","context":null"#),
        with(r#""to":"\u002b16505550144","recipient_type":"individual","recipient":null"#),
        with(concat!(
            r#""to":"+1 650 555 0144","#,
            r#""context":{"message_id":"wamid.HBgLMTY1MDU1NTAxNDQVAgARGBISU5CMQA=="}"#
        )),
        with(r#""recipient":"US.13400000000000000001""#),
        with(r#""recipient":"US.ENT.13400000000000000001","recipient_type":"individual""#),
        with(r#""to":"+16505550144","recipient":"IN.13400000000000000001""#),
        with(r#""to":"+16505550144","text":null,"image":null"#),
        with(r#""biz_opaque_callback_data":"an engine's own","to":"+16505550144""#),
        format!(r#"{{"to":"+16505550144",{content},"messaging_product":"whatsapp"}}"#),
        format!(
            "\r\n\t {{ \"messaging_product\" : \"whatsapp\" ,\n\
             \"to\":\"+16505550144\",{content} }} \n"
        ),
        format!(
            r#"{{"messaging_product":"whatsapp",{},{content},{}}}"#,
            r#""to":"+16505550144","type":"template""#,
            r#""biz_opaque_callback_data":"naïve – ünïcode 🎆""#
        ),
        // What Graph ignores.
        with(r#""to":16505550144"#),
        with(r#""to":"+16505550144","preview_url":true,"from":"15550107788","id":"wamid.A""#),
        with(r#""to":"+16505550144","context":[],"text":{},"image":"","interactive":null"#),
        // Both spellings of a language are one template.
        with(r#""to":"+16505550144""#).replace("en_US", "en-US"),
    ];
    for body in &bodies {
        let reply = world.send(body.clone()).await;
        assert_eq!(reply.summary(), SENT, "{body} {}", reply.json);
    }
    assert_eq!(world.accepted_bodies(), bodies);
}

async fn ambiguous_bodies_are_refused(backend: Backend) {
    let world = World::on(backend).await;
    let plain = r#""to":"+16505550144""#;
    let deep = format!(r#"{plain},"context":{}1{}"#, r#"{"a":"#.repeat(40), "}".repeat(40));
    let bodies = [
        String::new(),
        "null".into(),
        "[]".into(),
        "[{}]".into(),
        "{}".into(),
        with(plain) + "{}",
        with(plain).replace("\"whatsapp\"", "\"sms\""),
        with(r#""to":"+16505550144","to":"+919812300001""#),
        with(r#""to":"+16505550144","\u0074o":"+919812300001""#),
        with(plain).replace(r#""code":"en_US""#, r#""code":"en_US","code":"de""#),
        with(r#""to":"+16505550144","text":{"body":"Hello"}"#),
        with(plain).replace(r#""type":"template""#, r#""type":"text""#),
        with(plain).replace(r#""type":"template""#, r#""type":"TEMPLATE""#),
        with(plain).replace(r#""type":"template""#, r#""type":"payment""#),
        with(r#""to":-16505550144"#),
        with(r#""to":16505550144.0"#),
        with(r#""to":["+16505550144","+919812300001"]"#),
        with(r#""to":"""#),
        with(r#""recipient_type":"individual""#),
        with(r#""to":"+16505550144","recipient_type":"everybody""#),
        with(r#""to":"+16505550144","status":"read""#),
        with(r#""to":"+16505550144","category":"utility""#),
        with(&deep),
        with(plain).replace(r#""name":"spring_offer","#, ""),
    ];
    for body in &bodies {
        assert_eq!(world.send(body.clone()).await.summary(), "400 malformed", "{body}");
    }
    let mut broken = with(plain).into_bytes();
    let last = broken.len() - 3;
    broken[last] = 0xff;
    assert_eq!(world.send(broken).await.summary(), "400 malformed");
    for to in [
        "0123456789",
        "12345",
        "nobody",
        "+12345678901234567",
        "+1650+5550144",
        "Y2FwaV9ncm91cDoxNTU1MDEwNzc4OA",
    ] {
        let summary = world.send(with(&format!(r#""to":"{to}""#))).await.summary();
        assert_eq!(summary, "422 recipient_unsupported", "{to}");
    }
    assert_eq!(world.send(with(r#""to":"+999123456789""#)).await.summary(), "422 unpriced");
    assert_eq!(world.simulator.requests_count(), 0);
    assert_eq!(world.books().await.available, 100_000_000);
}

async fn frames_as_clients_send_them_pass(backend: Backend) {
    let world = World::on(backend).await;
    let body = marketing("+16505550144");
    let chunks = |size: usize| -> String {
        let pieces = body.as_bytes().chunks(size).map(|piece| {
            format!("{:x}\r\n{}\r\n", piece.len(), std::str::from_utf8(piece).unwrap())
        });
        pieces.collect::<String>() + "0\r\n\r\n"
    };
    let chunked = |size| {
        format!(
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            chunks(size)
        )
    };
    let sized = |lines: &str| format!("{lines}Content-Length: {}\r\n\r\n{body}", body.len());
    let frames = [
        chunked(1),
        chunked(7),
        chunked(10_000),
        sized("Content-Type: application/json; charset=utf-8\r\n"),
        sized("content-type: Application/JSON ;charset=UTF-8\r\n"),
        sized(
            "Content-Type: application/json\r\nAccept-Encoding: gzip, deflate, br\r\n\
             User-Agent: WhatsApp-SDK/1.0\r\nAccept: */*\r\n",
        ),
        sized("Content-Type: application/json\r\nContent-Encoding: identity\r\nCookie: a=b\r\n"),
    ];
    for frame in &frames {
        let request = format!(
            "POST /v24.0/{NUMBER}/messages HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\
             Authorization: Bearer {KEY}\r\n{frame}"
        );
        let answer = raw(&world, &[&request]).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{frame}: {answer}");
        assert!(answer.contains("\r\ntollgate-charge: 0.025 USD\r\n"), "{answer}");
        assert!(answer.contains("wamid."), "{answer}");
    }
    assert!(world.accepted_bodies().iter().all(|arrived| *arrived == body));
    // A body that waits to be asked for, and comes in two pieces.
    let (begin, end) = body.split_at(40);
    let head = format!(
        "POST /v24.0/{NUMBER}/messages HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\
         Authorization: Bearer {KEY}\r\n"
    );
    let expecting = format!(
        "{head}Content-Type: application/json\r\nExpect: 100-continue\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let answer = raw(&world, &[&expecting, begin, end]).await;
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(world.simulator.accepted_count(), frames.len() as u64 + 1);
}

async fn what_is_not_plain_json_is_refused(backend: Backend) {
    let world = World::on(backend).await;
    let body = marketing("+16505550144");
    let send = || world.send(body.clone());
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "",
    ] {
        assert_eq!(
            send().header("content-type", kind).await.summary(),
            "415 unsupported_media_type",
            "{kind}"
        );
    }
    assert_eq!(send().without("content-type").await.summary(), "415 unsupported_media_type");
    for encoding in ["gzip", "deflate", "br", "gzip, identity"] {
        assert_eq!(
            send().header("content-encoding", encoding).await.summary(),
            "415 unsupported_media_type",
            "{encoding}"
        );
    }
    for query in [
        "?",
        "?to=%2B919812300001",
        "?method=get",
        "?batch=[]",
        "?access_token=engine-key-0123456789&to=%2B919812300001",
        "?Access_Token=engine-key-0123456789",
        "?access%5Ftoken=engine-key-0123456789",
        "?access_token=another-key-0123456789",
    ] {
        let summary =
            world.post(&format!("/v24.0/{NUMBER}/messages{query}"), body.clone()).await.summary();
        assert_eq!(summary, "400 malformed", "{query}");
    }
    // The largest body that is taken, and one byte more, with its length given and not given.
    let filled = |size: usize| {
        let begin = with(r#""to":"+16505550144""#);
        let begin = begin.strip_suffix('}').unwrap();
        let frame = r#","biz_opaque_callback_data":""}"#.len();
        format!(
            r#"{begin},"biz_opaque_callback_data":"{}"}}"#,
            "x".repeat(size - begin.len() - frame)
        )
    };
    assert_eq!(
        world.send(filled(1_048_576)).await.summary(),
        "400 #100",
        "passes, and upstream finds it too long"
    );
    assert_eq!(world.send(filled(1_048_577)).await.summary(), "413 too_large");
    let head = format!(
        "POST /v24.0/{NUMBER}/messages HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\
         Authorization: Bearer {KEY}\r\n"
    );
    let unsaid = format!(
        "{head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n\
         0\r\n\r\n",
        1_048_577,
        filled(1_048_577)
    );
    assert!(raw(&world, &[&unsaid]).await.starts_with("HTTP/1.1 413 "));
    assert_eq!(world.simulator.accepted_count(), 0);
    assert_eq!(world.books().await.available, 100_000_000);
}

async fn numbers_without_a_plus_are_read_as_configured(backend: Backend) {
    for (setting, expected, arrives) in [
        ("as_is", "200 0.00 USD service North America", Some(r#""to":"1 650-555 0144""#)),
        ("plus", "200 0.00 USD service North America", Some(r#""to":"+1 650-555 0144""#)),
        ("refuse", "422 recipient_unsupported", None),
    ] {
        let world = World::of(Setup::on(backend).set("recipients.without_plus", setting)).await;
        assert_eq!(world.send(text("1 650-555 0144")).await.summary(), expected, "{setting}");
        assert_eq!(
            world.send(text("+16505550144")).await.summary(),
            "200 0.00 USD service North America"
        );
        let bodies = world.accepted_bodies();
        let [first, .., last] = [bodies.first().unwrap(), bodies.last().unwrap()];
        assert_eq!(last, &text("+16505550144"), "what has a plus is never touched");
        if let Some(to) = arrives {
            assert_eq!(
                first,
                &text("1 650-555 0144").replace(r#""to":"1 650-555 0144""#, to),
                "{setting}"
            );
        }
    }
}

async fn one_connection_carries_many_sends(backend: Backend) {
    let world = World::on(backend).await;
    let mut stream = TcpStream::connect(world.data).await.unwrap();
    let head = format!(
        "POST /v24.0/{NUMBER}/messages HTTP/1.1\r\nHost: gateway\r\n\
         Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
    );
    for n in 0..5 {
        // A rejection in between must not end the connection.
        let body = if n == 2 { "{}".to_owned() } else { marketing(&indian(n)) };
        stream
            .write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
            .await
            .unwrap();
        let answer = read_one(&mut stream).await;
        assert!(
            answer.starts_with(if n == 2 { "HTTP/1.1 400 " } else { "HTTP/1.1 200 " }),
            "{n}: {answer}"
        );
    }
    assert_eq!(world.simulator.accepted_count(), 4);
}

async fn request_ids_and_traces_are_kept(backend: Backend) {
    let world = World::on(backend).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let reply = world
        .send(marketing(&indian(1)))
        .header("x-request-id", "req-4711")
        .header("traceparent", trace)
        .await;
    assert_eq!(reply.header("x-request-id"), "req-4711");
    let arrived = world.simulator.accepted().pop().unwrap();
    assert_eq!(arrived.headers["traceparent"], trace);
    for gone in ["tollgate-campaign", "idempotency-key", "x-forwarded-for", "cookie"] {
        assert!(!arrived.headers.contains_key(gone), "{gone} travelled on");
    }
    let rejected = world.send("{}").header("x-request-id", "req-4712").await;
    assert_eq!(
        (rejected.header("x-request-id"), rejected.text("/error/fbtrace_id")),
        ("req-4712", "req-4712")
    );
    // One is made if none came, and upstream's own headers stay.
    let (one, two) =
        (world.send(marketing(&indian(2))).await, world.send(marketing(&indian(3))).await);
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
    assert!(!one.header("x-fb-trace-id").is_empty(), "{:?}", one.headers);
    assert!(!one.header("tollgate-hold").is_empty());
    assert_eq!(
        (one.header("tollgate-country"), one.header("tollgate-available")),
        ("IN", "99.9764 USD")
    );
}

async fn a_body_that_does_not_come_is_not_waited_for(backend: Backend) {
    let world = World::of(Setup::on(backend).set("send.body_timeout_ms", 200)).await;
    let head = format!(
        "POST /v24.0/{NUMBER}/messages HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\
         Authorization: Bearer {KEY}\r\n"
    );
    let slow = format!("{head}Content-Type: application/json\r\nContent-Length: 200\r\n\r\n{{");
    let answer = raw(&world, &[&slow]).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request_timeout"), "{answer}");
    // A client that is gone in the middle of its body has sent nothing.
    let mut stream = TcpStream::connect(world.data).await.unwrap();
    stream.write_all(slow.as_bytes()).await.unwrap();
    drop(stream);
    assert_eq!(world.send(marketing("+16505550144")).await.summary(), SENT);
    assert_eq!(world.simulator.requests_count(), 1);
}

/// Writes the pieces with a pause between them, and reads until the gateway closes.
async fn raw(world: &World, pieces: &[&str]) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(world.data).await.unwrap();
        for (n, piece) in pieces.iter().enumerate() {
            if n > 0 {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            stream.write_all(piece.as_bytes()).await.unwrap();
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    tokio::time::timeout(Duration::from_secs(10), exchange).await.expect("no answer")
}

/// One response with a length, from a connection that stays open.
async fn read_one(stream: &mut TcpStream) -> String {
    let read = async {
        let mut answer = String::new();
        loop {
            let mut piece = [0u8; 4_096];
            let count = stream.read(&mut piece).await.unwrap();
            assert!(count > 0, "the connection was closed after {answer}");
            answer.push_str(std::str::from_utf8(&piece[..count]).unwrap());
            let Some((head, body)) = answer.split_once("\r\n\r\n") else { continue };
            let length = head
                .to_ascii_lowercase()
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            if length == Some(body.len()) {
                return answer;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("no answer")
}
