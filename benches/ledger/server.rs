//! A private `redis-server` and what it has used so far.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// A server with an append-only file synced every second; ends with this value.
pub struct Server {
    port: u16,
    process: Child,
    _directory: TempDir,
}

impl Server {
    /// `None` if no `redis-server` is installed.
    pub fn start() -> Option<Server> {
        let directory = tempfile::tempdir().ok()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?.local_addr().ok()?.port();
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"])
            .args(["--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"])
            .args(["--port", &port.to_string()])
            .arg("--dir")
            .arg(directory.path())
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let server = Server { port, process, _directory: directory };
        for _ in 0..200 {
            if TcpStream::connect(server.address()).is_ok() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("redis-server does not start");
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }

    /// User and system time of the process.
    pub fn cpu(&self) -> Duration {
        let seconds = |name| self.info("cpu", name).parse().unwrap_or(0.0);
        Duration::from_secs_f64(
            seconds("used_cpu_user_main_thread") + seconds("used_cpu_sys_main_thread"),
        )
    }

    /// Bytes of the append-only file.
    pub fn written(&self) -> u64 {
        self.info("persistence", "aof_current_size").parse().unwrap_or(0)
    }

    /// Bytes in use.
    pub fn memory(&self) -> u64 {
        self.info("memory", "used_memory").parse().unwrap_or(0)
    }

    fn info(&self, section: &str, name: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).expect("the server");
        stream.write_all(format!("INFO {section}\r\nQUIT\r\n").as_bytes()).expect("a request");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("a reply");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
