//! An upstream that replies to every request with the bytes a test gives it, and keeps what it was
//! asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A running one; ends with its test.
pub struct Scripted {
    pub address: SocketAddr,
    answer: Arc<Mutex<Vec<u8>>>,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Scripted {
    pub async fn start() -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let scripted = Scripted { address, answer: Arc::default(), requests: Arc::default() };
        let (answer, requests) = (scripted.answer.clone(), scripted.requests.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answer, requests) = (answer.clone(), requests.clone());
                tokio::spawn(async move {
                    let Some(request) = whole_request(&mut stream).await else { return };
                    requests.lock().unwrap().push(request);
                    let answer = answer.lock().unwrap().clone();
                    drop(stream.write_all(&answer).await);
                });
            }
        });
        scripted
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it replies from now on: further lines of the head, and a body.
    pub fn answers(&self, status: u16, head: &str, body: &[u8]) {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} Scripted\r\nconnection: close\r\n\
             content-length: {length}\r\n{head}\r\n\r\n"
        );
        *self.answer.lock().unwrap() = [head.as_bytes(), body].concat();
    }

    /// The complete requests since it was last asked.
    pub fn requests(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

/// A request with all of its body; `None` if it ends before.
async fn whole_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    loop {
        let head = read.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&read[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let complete = match length {
                Some(length) => read.len() - head >= length.parse().unwrap(),
                None if text.contains("chunked") => read.ends_with(b"0\r\n\r\n"),
                None => true,
            };
            if complete {
                return Some(read);
            }
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}
