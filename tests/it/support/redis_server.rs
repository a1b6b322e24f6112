//! Private `redis-server` processes for tests: each on a free loopback port in a directory of its
//! own, gone with the test even if that is killed.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A server without a reply to PING for so long is broken.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// A running private server; dropping it ends the process and removes its directory.
pub struct RedisServer {
    port: u16,
    directory: TempDir,
    process: Child,
    guard: Guard,
}

impl RedisServer {
    /// Starts a server that keeps its data as the production settings do: append-only file,
    /// synced every second, nothing evicted.
    pub fn start() -> RedisServer {
        RedisServer::start_with(&[])
    }

    /// The same with further settings, for example `&["--appendonly", "no"]`.
    pub fn start_with(settings: &[&str]) -> RedisServer {
        let directory = tempfile::Builder::new().prefix("tollgate-redis-").tempdir().unwrap();
        write_configuration(&directory, settings);
        // Between choosing a free port and the server's bind another process may take it.
        for _ in 0..5 {
            let port =
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let (mut process, guard) = launch(&directory, port);
            if wait_until_ready(&mut process, port) {
                return RedisServer { port, directory, process, guard };
            }
        }
        panic!(
            "redis-server does not start; its log:\n{}",
            fs::read_to_string(directory.path().join("log")).unwrap_or_default()
        );
    }

    /// `redis://127.0.0.1:PORT/0`.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Gives it a command that it must not refuse.
    pub fn change(&self, command: &str) {
        let answer = self.command(command);
        assert!(answer.starts_with("+OK") || answer.starts_with(':'), "{command}: {answer}");
    }

    /// Ends it at once, as a crash does (`kill -9`); what was not yet in its file is lost.
    pub fn kill(&mut self) {
        self.guard.dismiss();
        if let Err(error) = self.process.kill() {
            // It may have ended by itself, for example by SHUTDOWN.
            assert_eq!(
                error.kind(),
                ErrorKind::InvalidInput,
                "redis-server cannot be killed: {error}"
            );
        }
        self.process.wait().unwrap();
    }

    /// Starts it again on its port with what its file holds; ends it first if it runs.
    pub fn restart(&mut self) {
        self.kill();
        let (process, guard) = launch(&self.directory, self.port);
        (self.process, self.guard) = (process, guard);
        assert!(
            wait_until_ready(&mut self.process, self.port),
            "redis-server does not start again on port {}",
            self.port
        );
    }

    /// Stops it from running without ending it: connections stay open, without replies.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it run on after [`RedisServer::pause`].
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Sends one command of plain words; the first line of the reply.
    pub fn command(&self, command: &str) -> String {
        ask(self, command)
    }

    /// Sends one command of plain words; the text it is replied to with.
    pub fn text(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(START_DEADLINE)).unwrap();
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        lines.read_line(&mut head).unwrap();
        let length = head.trim_end().strip_prefix('$').and_then(|length| length.parse().ok());
        let mut text = vec![0; length.unwrap_or_else(|| panic!("{command}: {head}"))];
        lines.read_exact(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// The directory it keeps its files in.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    fn signal(&self, name: &str) {
        // The shell's own `kill`: the program of that name is not everywhere.
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "signal", name, &self.process.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot send SIG{name} to redis-server");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.guard.dismiss();
        // Either has ended already or ends now; a failed drop has nobody to report to.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One server for all tests that share it, each under a key prefix of its own; it ends with the
/// process of the tests.
pub fn shared() -> &'static RedisServer {
    static SHARED: OnceLock<RedisServer> = OnceLock::new();
    SHARED.get_or_init(RedisServer::start)
}

/// Ends the server when the process of the tests is gone without having done so: killed, aborted,
/// or at its normal end for what is static. It reads from a pipe that nothing is ever written to;
/// the kernel closes it with the process.
struct Guard(Option<Child>);

impl Guard {
    fn watch(process: u32, directory: &TempDir) -> Guard {
        let script = "read -r _ || { kill -9 \"$1\"; rm -rf \"$2\"; }";
        let guard = Command::new("sh")
            .args(["-c", script, "guard", &process.to_string()])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Guard(Some(guard))
    }

    /// Must come before the server is waited for: from then on its number may be another process'.
    fn dismiss(&mut self) {
        if let Some(mut guard) = self.0.take() {
            // Killed before its pipe closes, which `wait` would do first.
            let _ = guard.kill();
            let _ = guard.wait();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.dismiss();
    }
}

fn write_configuration(directory: &TempDir, settings: &[&str]) {
    let mut lines = vec![
        "bind 127.0.0.1".to_owned(),
        format!("dir {}", directory.path().display()),
        format!("logfile {}", directory.path().join("log").display()),
        "appendonly yes".to_owned(),
        "appendfsync everysec".to_owned(),
        "save \"\"".to_owned(),
        "maxmemory-policy noeviction".to_owned(),
    ];
    for setting in settings.chunks(2) {
        let [name, value] = setting else { panic!("settings are pairs of --name and value") };
        lines.push(format!("{} {value}", name.trim_start_matches("--")));
    }
    fs::write(directory.path().join("redis.conf"), lines.join("\n") + "\n").unwrap();
}

fn launch(directory: &TempDir, port: u16) -> (Child, Guard) {
    let process = Command::new("redis-server")
        .arg(directory.path().join("redis.conf"))
        .args(["--port", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "redis-server cannot be started ({error}); \
                 `make test` installs it, through .ci/setup"
            )
        });
    let guard = Guard::watch(process.id(), directory);
    (process, guard)
}

/// Returns false if the process ended instead.
fn wait_until_ready(process: &mut Child, port: u16) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < START_DEADLINE {
        let ended: Option<ExitStatus> = process.try_wait().unwrap();
        if ended.is_some() {
            return false;
        }
        if answers_ping(port) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("redis-server has not answered on port {port} for {} s", START_DEADLINE.as_secs());
}

/// Whether the server is ready; one that still reads its file returns `-LOADING`.
fn answers_ping(port: u16) -> bool {
    let second = Duration::from_secs(1);
    let Ok(mut stream) =
        TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), second)
    else {
        return false;
    };
    let mut reply = [0u8; 7];
    let asked = stream.set_read_timeout(Some(second)).and_then(|()| stream.write_all(b"PING\r\n"));
    asked.and_then(|()| stream.read_exact(&mut reply)).is_ok() && &reply == b"+PONG\r\n"
}

#[test]
fn a_server_keeps_its_data_over_a_restart_and_can_be_paused() {
    let mut server = RedisServer::start();
    assert_eq!(ask(&server, "SET colour blue"), "+OK");
    // Everysec: the file may lag by a second, so a crash keeps only what the server reports
    // as synced.
    assert_eq!(ask(&server, "CONFIG SET appendfsync always"), "+OK");
    assert_eq!(ask(&server, "SET shape round"), "+OK");
    server.restart();
    assert_eq!(ask(&server, "GET shape"), "$5");
    assert!(server.url().starts_with("redis://127.0.0.1:"));
    server.pause();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    assert!(stream.read(&mut [0u8; 16]).is_err(), "a paused server answered");
    server.resume();
    stream.set_read_timeout(Some(START_DEADLINE)).unwrap();
    assert_eq!(stream.read(&mut [0u8; 16]).unwrap(), 7);
    let (port, directory) = (server.port, server.directory.path().to_owned());
    drop(server);
    assert!(!answers_ping(port) && !directory.exists(), "a dropped server is still there");
}

#[test]
fn a_shared_server_is_the_same_for_all() {
    assert_eq!(shared().address(), shared().address());
    assert_eq!(ask(shared(), "CONFIG GET maxmemory-policy"), "*2");
}

/// The first line of the server's reply.
fn ask(server: &RedisServer, command: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(START_DEADLINE)).unwrap();
    stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0u8];
    while !answer.ends_with(b"\r\n") {
        stream.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    String::from_utf8(answer).unwrap().trim_end().to_owned()
}
