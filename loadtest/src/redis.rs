//! A Redis server of a run's own, which writes every change to its append-only file and syncs that
//! every second.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::process::{self, Process, free_address};

/// How long it may take to read its file at a start.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A running server; killed when dropped.
pub struct RedisServer {
    process: Process,
    pub address: SocketAddr,
    home: PathBuf,
}

impl RedisServer {
    /// Starts one with its files in `home`.
    pub async fn start(home: &Path) -> anyhow::Result<RedisServer> {
        let address = free_address()?;
        let process = spawn(home, address).await?;
        Ok(RedisServer { process, address, home: home.to_owned() })
    }

    /// Kills it, and starts it on the same port and files after `pause`.
    pub async fn restart(&mut self, pause: Duration) -> anyhow::Result<()> {
        self.process.kill().await?;
        tokio::time::sleep(pause).await;
        self.process = spawn(&self.home, self.address).await?;
        Ok(())
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Returns the URL of its first database.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// Returns the bytes of its files.
    pub fn bytes(&self) -> u64 {
        process::bytes_under(&self.home)
    }

    /// Returns the bytes of memory that its data and buffers take.
    pub async fn memory(&self) -> anyhow::Result<u64> {
        let info = self.ask("INFO memory").await?;
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        let value = line.with_context(|| format!("no used_memory in {info:?}"))?;
        Ok(value.trim().parse()?)
    }

    /// Executes one command, written as on a command line; returns the reply as sent.
    pub async fn ask(&self, command: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await?;
        Ok(reply)
    }
}

async fn spawn(home: &Path, address: SocketAddr) -> anyhow::Result<Process> {
    let mut command = Command::new("redis-server");
    command.arg("--bind").arg(address.ip().to_string());
    command.arg("--port").arg(address.port().to_string()).arg("--dir").arg(home);
    command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]);
    // A rewrite of the file would fall into some turns and not into others.
    command.args(["--auto-aof-rewrite-percentage", "0"]);
    let mut process = Process::start("redis-server", &mut command, home.join("redis.log"))?;
    process.listening(address, READY_WITHIN).await?;
    Ok(process)
}
