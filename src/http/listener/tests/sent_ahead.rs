//! Bytes behind a request that is still answered: the end of the connection is seen all the same.

use super::*;

const LIVEZ: &[u8] = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";

/// What a client may have sent behind its request.
fn tails() -> [Vec<u8>; 6] {
    [
        b"\r\n".to_vec(),
        b"\r\n".repeat(100_000),
        b"\r".to_vec(),
        LIVEZ.to_vec(),
        POST.to_vec(),
        b"POST /send HTTP/1.1\r\nho".to_vec(),
    ]
}

/// Responds with the path once the client has closed its sending side.
async fn finished(request: Request<Incoming>) -> Vec<u8> {
    let peer = request.extensions().get::<Peer>().cloned().expect("set for every request");
    let path = request.uri().path().to_owned();
    peer.finished.cancelled().await;
    format!("{path}!").into_bytes()
}

#[tokio::test]
async fn a_reset_behind_other_bytes_drops_the_request() {
    for (case, tail) in tails().into_iter().enumerate() {
        let (events, mut seen) = mpsc::channel(64);
        let listening = Listening::open(ServerOptions::default(), pending(events)).await;
        let mut client = listening.connect().await;
        client.set_zero_linger().expect("a reset at its end");
        client.write_all(&[POST, &tail].concat()).await.expect("written");
        assert_eq!(timeout(SOON, seen.recv()).await, Ok(Some("started")));
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(client);
        assert_eq!(timeout(SOON, seen.recv()).await, Ok(Some("dropped")), "case {case}");
        assert_eq!(listening.close().await, Drained { cut: 0 });
        assert_eq!(seen.recv().await, None, "case {case}: nothing sent ahead was begun");
    }
}

#[tokio::test]
async fn an_end_behind_other_bytes_is_seen() {
    for tail in tails() {
        let listening = Listening::open(ServerOptions::default(), finished).await;
        let mut client = listening.connect().await;
        client.write_all(&[POST, &tail].concat()).await.expect("written");
        client.shutdown().await.expect("half closed");
        let mut answers = Vec::new();
        let read = timeout(SOON, client.read_to_end(&mut answers)).await;
        read.expect("closed after the answers").expect("readable");
        let answers = String::from_utf8(answers).expect("text");
        // Whole requests that came at once are answered, too.
        let whole = tail == LIVEZ || tail == POST;
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 1 + usize::from(whole), "{answers}");
        assert!(answers.contains("/send!"), "{answers}");
        assert_eq!(listening.close().await, Drained { cut: 0 });
    }
}

#[tokio::test]
async fn what_was_sent_ahead_long_before_the_end_is_not_begun() {
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = begun.clone();
    let listening = Listening::open(ServerOptions::default(), move |request| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let answer = finished(request).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            answer
        }
    })
    .await;
    let mut client = listening.connect().await;
    client.write_all(&[POST, POST, LIVEZ].concat()).await.expect("written");
    client.shutdown().await.expect("half closed");
    let mut answers = Vec::new();
    let read = timeout(SOON, client.read_to_end(&mut answers)).await;
    read.expect("closed after the answer").expect("readable");
    assert_eq!(String::from_utf8_lossy(&answers).matches("HTTP/1.1").count(), 1);
    assert_eq!(begun.load(Ordering::SeqCst), 1);
    assert_eq!(listening.close().await, Drained { cut: 0 });
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_their_order() {
    const REQUESTS: usize = 200;
    let open = Arc::new(AtomicUsize::new(0));
    let listening = Listening::open(ServerOptions::default(), move |request| {
        let open = open.clone();
        async move {
            assert_eq!(open.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
            let path = request.uri().path().to_owned();
            let body = super::super::super::body::read_body(request.into_body(), 1 << 20, SOON)
                .await
                .expect("a body");
            if path.ends_with('7') {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            open.fetch_sub(1, Ordering::SeqCst);
            format!("{path} {}!", body.len()).into_bytes()
        }
    })
    .await;
    let mut sent = Vec::new();
    for n in 0..REQUESTS {
        let body = "x".repeat(n);
        sent.extend(
            match n % 3 {
                0 => format!("GET /{n} HTTP/1.1\r\nhost: x\r\n\r\n"),
                1 => format!("POST /{n} HTTP/1.1\r\nhost: x\r\ncontent-length: {n}\r\n\r\n{body}"),
                _ => format!(
                    "\r\nPOST /{n} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n\
                 {n:x}\r\n{body}\r\n0\r\n\r\n\r\n"
                ),
            }
            .into_bytes(),
        );
    }
    assert!(sent.len() < 64 << 10);
    for piece in [sent.len(), 1_000, 37] {
        let client = listening.connect().await;
        let (mut read, mut write) = client.into_split();
        let sent = sent.clone();
        let writing = tokio::spawn(async move {
            for piece in sent.chunks(piece) {
                write.write_all(piece).await.expect("written");
                tokio::task::yield_now().await;
            }
            write
        });
        let mut answers = Vec::new();
        while answers.iter().filter(|byte| **byte == b'!').count() < REQUESTS {
            let read = timeout(SOON, read.read_buf(&mut answers)).await;
            assert!(read.expect("in time").expect("readable") > 0, "closed");
        }
        let answers = String::from_utf8(answers).expect("text");
        let bodies: Vec<_> =
            answers.lines().filter_map(|line| line.split('!').next()).collect::<Vec<_>>();
        let bodies: Vec<_> = bodies.into_iter().filter(|line| line.starts_with('/')).collect();
        let expected: Vec<_> =
            (0..REQUESTS).map(|n| format!("/{n} {}", if n % 3 == 0 { 0 } else { n })).collect();
        assert_eq!(bodies, expected);
        drop(writing.await.expect("no panic"));
    }
    assert_eq!(listening.close().await, Drained { cut: 0 });
}

#[tokio::test]
async fn an_end_behind_a_chunked_body_is_seen() {
    let listening = Listening::open(ServerOptions::default(), |request| async move {
        let peer = request.extensions().get::<Peer>().cloned().expect("set for every request");
        let body = super::super::super::body::read_body(request.into_body(), 1024, SOON).await;
        peer.finished.cancelled().await;
        body.expect("a body").to_vec()
    })
    .await;
    for pieces in [1, 2, 40] {
        let mut client = listening.connect().await;
        let sent = "POST /send HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n\
                    2\r\ndo\r\n3\r\nne!\r\n0\r\nt: x\r\n\r\n\r\nGET / HTTP/1.1\r\nho";
        for piece in sent.as_bytes().chunks(sent.len().div_ceil(pieces)) {
            client.write_all(piece).await.expect("written");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        client.shutdown().await.expect("half closed");
        read_to(&mut client, "done!").await;
        assert!(closes(&mut client, SOON).await);
    }
    assert_eq!(listening.close().await, Drained { cut: 0 });
}

#[tokio::test]
async fn who_sends_too_much_ahead_counts_as_gone_and_is_closed() {
    let listening = Listening::open(ServerOptions::default(), finished).await;
    let mut client = listening.connect().await;
    let much = format!("POST /send HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", 1 << 20);
    client.write_all(POST).await.expect("written");
    client.write_all(&[much.as_bytes(), &[b'x'; 70 << 10]].concat()).await.expect("written");
    let answer = read_to(&mut client, "!").await;
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(closes(&mut client, SOON).await);
    assert_eq!(listening.close().await, Drained { cut: 0 });
}

#[tokio::test]
async fn a_client_that_stays_is_not_taken_for_gone() {
    let listening = Listening::open(ServerOptions::default(), |request| async move {
        let peer = request.extensions().get::<Peer>().cloned().expect("set for every request");
        let gone = timeout(Duration::from_millis(100), peer.finished.cancelled()).await.is_ok();
        if gone { b"gone!".to_vec() } else { b"there!".to_vec() }
    })
    .await;
    let mut client = listening.connect().await;
    for tail in [b"\r\n".to_vec(), b"\r\n".repeat(100_000), LIVEZ.to_vec()] {
        client.write_all(&[POST, &tail].concat()).await.expect("written");
        read_to(&mut client, "there!").await;
        if tail == LIVEZ {
            read_to(&mut client, "there!").await;
        }
    }
    assert_eq!(listening.close().await, Drained { cut: 0 });
}

#[tokio::test]
async fn nothing_behind_a_malformed_chunk_is_a_request() {
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = begun.clone();
    let listening = Listening::open(ServerOptions::default(), move |request| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let body = super::super::super::body::read_body(request.into_body(), 1024, SOON).await;
            body.map_or_else(|error| error.to_string().into_bytes(), |body| body.to_vec())
        }
    })
    .await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let smuggled = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\
                    content-length: 5\r\n\r\n0\r\n\r\n";
    for body in [
        // A trailer that ends in a bare line feed.
        "2\r\n{}\r\n0\r\nt: x\n\r\n\r\n",
        "2\r\n{}\r\n0\r\nt: x\nu: y\r\n\r\n",
        "2\r\n{}\r\n0\r\n\n\r\n",
        "2\r\n{}\r\n0\n\r\n",
        "2\r\n{}\n0\r\n\r\n",
    ] {
        begun.store(0, Ordering::SeqCst);
        let mut client = listening.connect().await;
        client.write_all(format!("{head}{body}{smuggled}").as_bytes()).await.expect("written");
        let mut answer = Vec::new();
        drop(timeout(SOON, client.read_to_end(&mut answer)).await.expect("closed"));
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(begun.load(Ordering::SeqCst), 1, "{body:?}: {answer}");
        assert!(answer.ends_with("not well formed"), "{body:?}: {answer}");
    }
    assert_eq!(listening.close().await, Drained { cut: 0 });
}
