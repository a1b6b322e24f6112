//! The real program in processes of its own: `tollgate serve` on free ports until it is stopped,
//! killed or dropped, and commands that are run to their end.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::client::Client;
use super::deployment::Deployment;
use super::printed::{self, Watch};
use super::setup::environment_name;

/// Nothing takes longer unless it hangs; starts included, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// In the line that a gateway writes once it accepts connections, before its addresses.
const SERVES: &str = " serves: data ";

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_tollgate");

/// A running `tollgate serve`; dropping it kills it.
pub struct Process {
    child: Mutex<Child>,
    log: Arc<Mutex<String>>,
    readers: Mutex<Vec<JoinHandle<()>>>,
    pub client: Client,
}

/// Exit status and output of a command that has ended.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Process {
    /// Serves this deployment; `further` settings by their dotted keys.
    pub fn serve(deployment: &Deployment, further: &[(&str, &str)]) -> Process {
        let file = deployment.home.path().join("tollgate.toml");
        std::fs::write(&file, &deployment.text).unwrap();
        let mut environment = deployment.environment.clone();
        environment.extend(
            further.iter().map(|(key, value)| (environment_name(key), (*value).to_owned())),
        );
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Process::start(&file, &environment)
    }

    /// Serves this deployment on a disk on which no file may grow beyond so many blocks of the
    /// shell's `ulimit -f` (512 or 1024 bytes); writes beyond fail.
    pub fn serve_on_a_small_disk(deployment: &Deployment, blocks: u32) -> Process {
        let file = deployment.home.path().join("tollgate.toml");
        std::fs::write(&file, &deployment.text).unwrap();
        let script = "trap '' XFSZ; ulimit -S -f \"$1\"; exec \"$2\" serve --config \"$3\"";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "small-disk", &blocks.to_string(), PROGRAM]).arg(&file);
        command.env_clear().envs(log_everything(&deployment.text));
        command.envs(deployment.environment.iter().cloned());
        Process::spawn(command)
    }

    /// Serves with this configuration file, and nothing but `environment` in its environment.
    pub fn start(file: &Path, environment: &[(&str, &str)]) -> Process {
        let text = std::fs::read_to_string(file).unwrap();
        learn(&text, environment, file.parent().unwrap());
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--config"]).arg(file).env_clear().envs(log_everything(&text));
        command.envs(environment.iter().copied());
        Process::spawn(command)
    }

    fn spawn(mut command: Command) -> Process {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log: Arc<Mutex<String>> = Arc::default();
        let readers = [
            collect_lines(child.stderr.take().unwrap(), log.clone()),
            collect_lines(child.stdout.take().unwrap(), Arc::default()),
        ];
        let child = Mutex::new(child);
        let client = addresses(&wait_for_line(&child, &log, SERVES));
        Process { child, log, readers: Mutex::new(readers.into()), client }
    }

    /// Ends it at once (`kill -9`), whoever else holds it; it is gone when this returns.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to stop (SIGTERM).
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

    /// The first line that contains `text`, once it is written.
    pub fn wait_for(&self, text: &str) -> String {
        wait_for_line(&self.child, &self.log, text)
    }

    /// The most memory it has had so far, in bytes.
    pub fn peak_memory(&self) -> usize {
        self.memory_of("VmHWM:")
    }

    /// The memory it has now, without what is mapped from files, in bytes.
    pub fn memory(&self) -> usize {
        self.memory_of("RssAnon:")
    }

    fn memory_of(&self, name: &str) -> usize {
        let id = self.child.lock().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
    }

    /// Everything it wrote to stderr.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Has ended already or ends now; a failed drop has nobody to report to.
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
        for reader in self.readers.lock().unwrap().drain(..) {
            let _ = reader.join();
        }
        drop(Watch);
    }
}

/// Runs a command to its end in an empty directory.
pub async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    run_in(tempfile::tempdir().unwrap().path(), arguments, environment).await
}

/// Runs a command to its end in `directory`, with nothing but `environment` in its environment.
pub async fn run_in(
    directory: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Finished {
    for argument in arguments {
        if let Ok(text) = std::fs::read_to_string(directory.join(argument)) {
            learn(&text, environment, directory);
        }
    }
    let mut command = tokio::process::Command::new(PROGRAM);
    command
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(DEADLINE, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("tollgate {arguments:?} does not end")).unwrap();
    let text = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        printed::printed(&text);
        text
    };
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    printed::check();
    Finished { code: output.status.code(), stdout, stderr }
}

/// An address nothing listens on, for what must fail to connect.
pub fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// What the process writes, line by line as it comes; the thread ends with the process.
fn collect_lines(
    written: impl std::io::Read + Send + 'static,
    log: Arc<Mutex<String>>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(written).lines().map_while(Result::ok) {
            printed::printed(&line);
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    })
}

/// The setting of the lowest log level, so that every line can be searched; not if the file sets
/// the level itself.
fn log_everything(text: &str) -> Option<(String, String)> {
    let sets_it = text.lines().any(|line| line.trim() == "[log]");
    (!sets_it).then(|| (environment_name("log.level"), "trace".to_owned()))
}

/// What is in this configuration is looked for in what the process prints.
fn learn(text: &str, environment: &[(&str, &str)], directory: &Path) {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let environment: Vec<_> = environment.iter().map(owned).collect();
    printed::learn_configuration(text, &environment, directory);
}

/// Returns the first line that contains `text`; fails if the process ends without it.
fn wait_for_line(child: &Mutex<Child>, log: &Mutex<String>, text: &str) -> String {
    let begin = Instant::now();
    loop {
        // Looked at before the log: what it wrote at its end is still read.
        let ended = child.lock().unwrap().try_wait().unwrap();
        let log = log.lock().unwrap().clone();
        if let Some(line) = log.lines().find(|line| line.contains(text)) {
            return line.to_owned();
        }
        assert!(
            ended.is_none() && begin.elapsed() < DEADLINE,
            "no line with {text:?}; it wrote:\n{log}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Reads `tollgate 0.1.0 serves: data 127.0.0.1:1234, admin 127.0.0.1:1235, ...`.
fn addresses(line: &str) -> Client {
    let (_, addresses) = line.split_once(SERVES).unwrap();
    let (data, rest) = addresses.split_once(", admin ").unwrap();
    let admin = rest.split(',').next().unwrap_or_default();
    let parse = |text: &str| text.parse::<SocketAddr>().unwrap_or_else(|_| panic!("{line}"));
    Client::new(parse(data), parse(admin))
}
