//! A forward proxy that knows one host: for SDKs whose base URL is fixed, graph.facebook.com is the
//! server that a test chose.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::engine::GRAPH;

/// Connects whoever asks for the Graph API's host to `upstream`, and nobody to anything else, until
/// the test ends. Returns its address.
pub async fn graph_proxy(upstream: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(carry(client, upstream));
        }
    });
    address
}

async fn carry(client: TcpStream, upstream: SocketAddr) {
    let mut client = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if client.read_line(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    if !head.starts_with(&format!("CONNECT {GRAPH}:443 ")) {
        let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
        return;
    }
    let mut upstream = TcpStream::connect(upstream).await.unwrap();
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
    // Either side may end as it likes.
    let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
}
