//! The real program as operators run it: `tollgate serve` in a process of its own, other commands
//! run to their end, and calls to both.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tollgate");

/// Nothing here takes longer unless it hangs; starts included, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running gateway; dropping it ends it.
pub struct Served {
    child: Child,
    log: Arc<Mutex<String>>,
    pub data: SocketAddr,
    pub admin: SocketAddr,
}

impl Served {
    /// Serves with this file and nothing else in its environment.
    pub fn start(file: &Path, environment: &[(&str, &str)]) -> Served {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--config"]).arg(file).env_clear().envs(environment.iter().copied());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log: Arc<Mutex<String>> = Arc::default();
        let (lines, written) = (BufReader::new(child.stderr.take().unwrap()), log.clone());
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut log = written.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut served = Served { child, log, data: nowhere, admin: nowhere };
        let line = served.wait_for(" serves: data ");
        let (_, addresses) = line.split_once(" serves: data ").unwrap();
        let (data, rest) = addresses.split_once(", admin ").unwrap();
        served.data = data.parse().unwrap();
        served.admin = rest.split(',').next().unwrap().parse().unwrap();
        served
    }

    /// Tells it to read its configuration again (SIGHUP).
    pub fn hang_up(&self) {
        // The shell's own `kill`: the program of that name is not everywhere.
        let sent = Command::new("sh")
            .args(["-c", "kill -s HUP \"$1\"", "signal", &self.child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot send SIGHUP");
    }

    /// The first line with `text`, once it is written.
    pub fn wait_for(&mut self, text: &str) -> String {
        let begin = Instant::now();
        loop {
            if let Some(line) = self.log().lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && begin.elapsed() < DEADLINE,
                "no line with {text:?}; it wrote:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Everything it wrote to stderr.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Has ended already or ends now; a failed drop has nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command left behind.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command to its end.
pub async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    let directory = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(PROGRAM);
    command.args(arguments).env_clear().envs(environment.iter().copied());
    command.current_dir(directory.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(DEADLINE, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("tollgate {arguments:?} does not end")).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Finished {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// A whole reply.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    /// Null where the body is no JSON.
    pub json: Value,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// One call with a key; `body` is JSON, or nothing where it is empty.
pub async fn ask(listener: SocketAddr, key: &str, method: Method, path: &str, body: &str) -> Reply {
    let mut request = Request::builder().method(method).uri(format!("http://{listener}{path}"));
    request = request.header("authorization", format!("Bearer {key}"));
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let exchange = async {
        let (head, body) = client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            json: serde_json::from_slice(&body).unwrap_or_default(),
        }
    };
    tokio::time::timeout(DEADLINE, exchange)
        .await
        .unwrap_or_else(|_| panic!("{path} is not answered"))
}

/// A send of a template without parameters.
pub fn template_send(to: &str, name: &str, language: &str) -> String {
    format!(
        r#"{{"messaging_product":"whatsapp","to":"{to}","type":"template","template":{{"name":"{name}","language":{{"code":"{language}"}}}}}}"#
    )
}
