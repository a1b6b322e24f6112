//! `loadtest hold`: connections that cost a server without using it: idle ones, and slow ones that
//! send the head of a request byte by byte.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::duration;

/// How many connections to hold, and for how long.
#[derive(Args)]
pub struct HoldOptions {
    /// Address of the data listener
    #[arg(long, default_value = "127.0.0.1:8080")]
    target: SocketAddr,
    /// Connections that send nothing
    #[arg(long, default_value_t = 10_000)]
    idle: u32,
    /// Connections that send a byte of a head every --byte-every
    #[arg(long, default_value_t = 1_000)]
    slow: u32,
    /// Pause between two bytes of a slow connection
    #[arg(long, default_value = "100ms", value_parser = duration::parse)]
    byte_every: Duration,
    /// How long to hold them once all are open
    #[arg(long, default_value = "10s", value_parser = duration::parse)]
    duration: Duration,
}

/// Opens them all, prints how many they are, holds them, and reports how many slow ones were cut.
pub async fn hold(options: HoldOptions) -> anyhow::Result<()> {
    let mut idle = Vec::new();
    for _ in 0..options.idle {
        idle.push(connect(options.target).await?);
    }
    let mut slow = Vec::new();
    for _ in 0..options.slow {
        slow.push(connect(options.target).await?);
    }
    println!("{}", json!({"idle": idle.len(), "slow": slow.len()}));
    let end = Instant::now() + options.duration;
    // Slow senders know nothing of each other: each has its own moment within the pause.
    let step = options.byte_every / options.slow.max(1);
    let slow: Vec<_> = (0..)
        .zip(slow)
        .map(|(n, stream)| tokio::spawn(drip(stream, step * n, options.byte_every, end)))
        .collect();
    let mut cut = 0;
    for connection in slow {
        cut += u32::from(!connection.await?);
    }
    tokio::time::sleep_until(end).await;
    println!("{}", json!({"cut": cut}));
    Ok(())
}

async fn connect(target: SocketAddr) -> anyhow::Result<TcpStream> {
    let connected = TcpStream::connect(target).await;
    connected.with_context(|| format!("cannot connect to {target}; `ulimit -n` bounds how many"))
}

/// Sends a head that never ends until `end`; whether it was let.
async fn drip(mut stream: TcpStream, first: Duration, every: Duration, end: Instant) -> bool {
    const HEAD: &[u8] = b"POST /v24.0/1/messages HTTP/1.1\r\nHost: ";
    tokio::time::sleep(first).await;
    for byte in HEAD.iter().chain(std::iter::repeat(&b'x')) {
        if Instant::now() >= end {
            return true;
        }
        if stream.write_all(&[*byte]).await.is_err() {
            return false;
        }
        tokio::time::sleep(every).await;
    }
    true
}
