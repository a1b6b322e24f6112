//! Responses to requests whose bodies nobody reads to their end.

use super::*;

/// Bytes of a body: more than the kernel takes for a reader that does not read.
const BODY: usize = 8 << 20;

fn head() -> Vec<u8> {
    format!("POST /send HTTP/1.1\r\nhost: x\r\ncontent-length: {BODY}\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn the_response_reaches_a_client_that_is_still_sending() {
    for refused in [&b""[..], b"GET / HTTP/1.1\r\n\r\n"] {
        let listening = Listening::open(ServerOptions::default(), ok).await;
        let mut client = listening.connect().await;
        let (head, status) =
            if refused.is_empty() { (head(), "200 OK") } else { (refused.to_vec(), "400 Bad") };
        client.write_all(&head).await.expect("written");
        // It was answered, and the connection is about to close.
        tokio::time::sleep(Duration::from_millis(100)).await;
        timeout(SOON, client.write_all(&vec![b' '; BODY])).await.expect("in time").expect("taken");
        client.shutdown().await.expect("half closed");
        let mut answer = Vec::new();
        timeout(SOON, client.read_to_end(&mut answer)).await.expect("in time").expect("no reset");
        let answer = String::from_utf8(answer).expect("text");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        // Else the client might send its next request on a connection that is closing.
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert_eq!(listening.close().await, Drained { cut: 0 });
    }
}

#[tokio::test]
async fn a_client_that_sends_for_ever_is_cut() {
    let listening = Listening::open(ServerOptions::default(), ok).await;
    let mut client = listening.connect().await;
    client.write_all(&head()).await.expect("written");
    let sending = async {
        while client.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, sending).await.expect("the connection ends");
    assert_eq!(listening.close().await, Drained { cut: 0 });
}
