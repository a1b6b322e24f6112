//! The real program in a process of its own: started on free ports, watched, killed; ended with the
//! test.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::client::Client;
use super::world::Ground;

/// A gateway that does not say that it serves by then is broken.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_tollgate");

/// A running `tollgate serve`; dropping it kills it.
pub struct Process {
    child: Mutex<Child>,
    log: Arc<Mutex<String>>,
    pub client: Client,
}

/// What a finished command left behind.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Process {
    /// Serves on this ground; `further` settings by their dotted keys.
    pub fn serve(ground: &Ground, further: &[(&str, &str)]) -> Process {
        let file = ground.home.path().join("tollgate.toml");
        std::fs::write(&file, &ground.text).unwrap();
        let mut command = Command::new(PROGRAM);
        command
            .args(["serve", "--config"])
            .arg(&file)
            .env_clear()
            .envs(ground.environment.iter().map(|(name, value)| (name, value)));
        for (key, value) in further {
            command.env(environment_name(key), value);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let lines = read_lines(&mut child, log.clone());
        let client = wait_for_ports(&lines, &log);
        Process { child: Mutex::new(child), log, client }
    }

    /// Ends it at once (`kill -9`), whoever else holds it; it is gone when this returns.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Tells it to stop (SIGTERM).
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal by its name, such as `HUP`.
    pub fn signal(&self, name: &str) {
        let id = self.child.lock().unwrap().id().to_string();
        // The shell's own `kill`: the program of that name is not everywhere.
        let sent =
            Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "signal", name, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot send SIG{name}");
    }

    /// Waits for its end.
    pub async fn ended(&self, patience: Duration) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.lock().unwrap().try_wait().unwrap() {
                return status;
            }
            assert!(
                begin.elapsed() < patience,
                "the gateway has not ended within {patience:?}:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Everything it wrote to stderr.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Has ended already or ends now; a failed drop has nobody to tell.
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Runs the program to its end with nothing in its environment.
pub async fn run(arguments: &[&str], directory: &Path, patience: Duration) -> Finished {
    let mut command = tokio::process::Command::new(PROGRAM);
    command
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(patience, command.output()).await;
    let output = output
        .unwrap_or_else(|_| panic!("tollgate {arguments:?} has not ended within {patience:?}"))
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Finished {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// The environment variable that overlays a key: `listen.data` is `TOLLGATE__LISTEN__DATA`.
pub fn environment_name(key: &str) -> String {
    format!("TOLLGATE__{}", key.replace('.', "__").to_uppercase())
}

/// An address nothing listens on, for what must fail to connect.
pub fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// Keeps stderr's lines, and hands out each as it comes.
fn read_lines(child: &mut Child, log: Arc<Mutex<String>>) -> Receiver<String> {
    let (lines, received) = sync_channel(256);
    let stderr = BufReader::new(child.stderr.take().unwrap());
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
            drop(log);
            // Nobody listens any more once the ports are known.
            let _ = lines.try_send(line);
        }
    });
    received
}

/// `tollgate 0.1.0 serves: data 127.0.0.1:1234, admin 127.0.0.1:1235`
fn wait_for_ports(lines: &Receiver<String>, log: &Mutex<String>) -> Client {
    let begin = Instant::now();
    loop {
        let line = match lines.recv_timeout(Duration::from_millis(50)) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) if begin.elapsed() < START_DEADLINE => continue,
            Err(_) => panic!("the gateway does not serve; it wrote:\n{}", log.lock().unwrap()),
        };
        let Some((_, addresses)) = line.split_once(" serves: data ") else { continue };
        let mut addresses = addresses
            .split(", ")
            .map(|address| address.trim_start_matches("admin ").trim_start_matches("ops "));
        let mut next = || {
            addresses
                .next()
                .and_then(|address| address.parse::<SocketAddr>().ok())
                .unwrap_or_else(|| panic!("{line}"))
        };
        let (data, admin) = (next(), next());
        return Client::new(data, admin);
    }
}
