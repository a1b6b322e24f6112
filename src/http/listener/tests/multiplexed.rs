//! HTTP/2 clients that hold what they do not use.

use h2::client::{Builder, SendRequest};

use super::*;

const SHORT: Duration = Duration::from_millis(200);

/// A connection whose streams have windows of `window` bytes.
async fn connected(listening: &Listening, window: u32) -> SendRequest<Bytes> {
    let stream = listening.connect().await;
    let (sender, connection) =
        Builder::new().initial_window_size(window).handshake(stream).await.expect("a handshake");
    tokio::spawn(connection);
    sender
}

async fn ask(sender: &mut SendRequest<Bytes>) -> h2::RecvStream {
    let request = Request::post("http://x/send").body(()).expect("a request");
    let mut ready = sender.clone().ready().await.expect("open");
    let (response, _) = ready.send_request(request, true).expect("sent");
    let response = timeout(SOON, response).await.expect("in time").expect("answered");
    response.into_body()
}

#[tokio::test]
async fn a_stream_whose_client_takes_nothing_is_reset() {
    let options = ServerOptions { write_timeout: SHORT, ..ServerOptions::default() };
    let listening = Listening::open(options, |_| async { vec![b'x'; 100_000] }).await;
    let mut sender = connected(&listening, 0).await;
    for _ in 0..2 {
        let mut body = ask(&mut sender).await;
        let end = timeout(SOON, body.data()).await.expect("reset in time");
        let error = end.expect("not at its end").expect_err("nothing can come");
        assert_eq!(error.reason(), Some(h2::Reason::CANCEL), "{error}");
    }
    // One that takes a little at a time gets all of it.
    let mut sender = connected(&listening, 20_000).await;
    let mut body = ask(&mut sender).await;
    let mut taken = 0;
    while let Some(piece) = body.data().await {
        let piece = piece.expect("not reset");
        taken += piece.len();
        tokio::time::sleep(SHORT / 10).await;
        body.flow_control().release_capacity(piece.len()).expect("taken");
    }
    assert_eq!(taken, 100_000);
    drop(sender);
    assert_eq!(listening.close().await, Drained { cut: 0 });
}

#[tokio::test]
async fn a_slow_handler_is_not_taken_for_a_client_that_waits() {
    let options = ServerOptions { write_timeout: SHORT / 4, ..ServerOptions::default() };
    let listening = Listening::open(options, |_| async {
        tokio::time::sleep(SHORT).await;
        b"done".to_vec()
    })
    .await;
    let mut sender = connected(&listening, 100).await;
    let mut body = ask(&mut sender).await;
    assert_eq!(body.data().await.expect("a body").expect("not reset"), "done");
    drop(sender);
    assert_eq!(listening.close().await, Drained { cut: 0 });
}

/// A frame by hand.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Writes `frames` over and over; whether the listener closes before `most` rounds are over.
async fn is_cut(listening: &Listening, most: u32, mut frames: impl FnMut(u32) -> Vec<u8>) -> bool {
    let client = listening.connect().await;
    let (mut read, mut write) = client.into_split();
    let reading = tokio::spawn(async move {
        let mut rest = Vec::new();
        drop(read.read_to_end(&mut rest).await);
    });
    let start = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &[])].concat();
    write.write_all(&start).await.expect("written");
    for round in 0..most {
        if write.write_all(&frames(round)).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    timeout(Duration::from_secs(2), reading).await.is_ok()
}

#[tokio::test]
async fn floods_end_their_connection() {
    let handled = Arc::new(AtomicUsize::new(0));
    let counted = handled.clone();
    let listening = Listening::open(ServerOptions::default(), move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::pending()
    })
    .await;
    // `:method: POST`, `:scheme: http`, `:path: /`, `:authority: x`, of the static table.
    let head = [0x83, 0x86, 0x84, 0x41, 0x01, b'x'];
    let stream = |round: u32| round * 2 + 1;
    // A head that never ends.
    assert!(
        is_cut(&listening, 20_000, |round| match round {
            0 => frame(1, 0, 1, &head),
            _ => frame(9, 0, 1, &[0x40, 0x01, b'a', 0x01, b'b'].repeat(200)),
        })
        .await
    );
    assert_eq!(handled.load(Ordering::SeqCst), 0);
    // Requests that are reset at once.
    let reset = |round: u32| {
        [frame(1, 4, stream(round), &head), frame(3, 0, stream(round), &[0, 0, 0, 8])].concat()
    };
    let storm = |round: u32| (0..100).flat_map(|n| reset(round * 100 + n)).collect();
    assert!(is_cut(&listening, 500, storm).await);
    assert!(handled.load(Ordering::SeqCst) < 50_000);
    assert_eq!(listening.close().await, Drained { cut: 0 });
}
