//! Processes that a run starts for itself: free loopback ports, a directory that goes away, and
//! an end for exactly what was started.

use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Clock ticks in a second, in which Linux counts processor time for everybody.
const TICKS_PER_SECOND: u64 = 100;

/// A temporary directory; removed when dropped.
pub struct Directory(PathBuf);

impl Directory {
    /// Makes one whose name begins with `loadtest-` and `purpose`.
    pub fn make(purpose: &str) -> anyhow::Result<Directory> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let name = format!("loadtest-{purpose}-{}-{}", std::process::id(), now.as_nanos());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Directory(path))
    }

    /// Makes a directory inside it.
    pub fn inside(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.0.join(name);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Left-overs in the temporary directory do no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Returns a loopback address that was free a moment ago.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

/// A child process; killed when dropped.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program that writes what it prints to `log`, at its end.
    pub fn start(name: &str, command: &mut Command, log: PathBuf) -> anyhow::Result<Process> {
        let output = OpenOptions::new().create(true).append(true).open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Process { name: name.to_owned(), child, log })
    }

    /// Waits until it accepts connections.
    pub async fn listening(&mut self, address: SocketAddr, within: Duration) -> anyhow::Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < within {
            self.running()?;
            if TcpStream::connect(address).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("{} does not listen on {address} after {within:?}: {}", self.name, self.printed())
    }

    /// Fails if it has ended.
    pub fn running(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended, {status}: {}", self.name, self.printed()),
        }
    }

    /// Kills it and its children, with no chance to finish anything, and waits until it is gone.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.kill_all();
        self.child.wait().await.with_context(|| format!("cannot kill {}", self.name))?;
        Ok(())
    }

    /// A parent that is killed leaves its children behind, as nginx its workers.
    fn kill_all(&mut self) {
        let Some(pid) = self.child.id() else { return };
        let children: Vec<String> = children(pid).map(|child| child.to_string()).collect();
        // Fails only for one that has ended by itself.
        let _ = self.child.start_kill();
        if !children.is_empty() {
            // Without `unsafe` the way to send a signal is the program for it.
            let _ = std::process::Command::new("kill").arg("-KILL").args(children).status();
        }
    }

    /// Returns its process id; 0 after its end.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Returns the end of what it printed.
    pub fn printed(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_all();
    }
}

fn children(pid: u32) -> impl Iterator<Item = u32> {
    let children = format!("/proc/{pid}/task/{pid}/children");
    let children = std::fs::read_to_string(children).unwrap_or_default();
    let children: Vec<u32> =
        children.split_whitespace().filter_map(|child| child.parse().ok()).collect();
    children.into_iter()
}

/// Returns the processor time that a process has used, user and system.
pub fn processor_time(pid: u32) -> Duration {
    Duration::from_millis(ticks(pid) * 1_000 / TICKS_PER_SECOND)
}

/// Returns the processor time of a process and of its children that are running.
pub fn processor_time_of_family(pid: u32) -> Duration {
    children(pid).map(processor_time).sum::<Duration>() + processor_time(pid)
}

fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field is the program's name in parentheses and may contain blanks.
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let fields = after_name.split(' ').skip(11).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// Returns the bytes of memory that a process has.
pub fn resident(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no VmRSS")?;
    Ok(kilobytes.trim().parse::<u64>()? * 1024)
}

/// Returns the bytes of all files under a directory.
pub fn bytes_under(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => bytes_under(&entry.path()),
            _ => entry.metadata().map_or(0, |metadata| metadata.len()),
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A child of a killed parent is there until whoever inherited it takes note of its end.
    fn zombie(pid: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.contains(") Z ")
    }

    #[tokio::test]
    async fn a_process_is_started_timed_and_ended_with_its_children() {
        let home = Directory::make("process").unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo begun; (while :; do :; done) & wait"]);
        let mut process = Process::start("a shell", &mut shell, home.path().join("log")).unwrap();
        let begin = Instant::now();
        while processor_time_of_family(process.pid()) < Duration::from_millis(50) {
            assert!(begin.elapsed() < Duration::from_secs(20), "no processor time was seen");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        process.running().unwrap();
        let all: Vec<u32> = std::iter::once(process.pid()).chain(children(process.pid())).collect();
        assert_eq!(all.len(), 2);
        process.kill().await.unwrap();
        let alive = |pid: &u32| ticks(*pid) > 0 && !zombie(*pid);
        while all.iter().any(alive) {
            assert!(begin.elapsed() < Duration::from_secs(20), "still there: {all:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(bytes_under(home.path()), "begun\n".len() as u64);
    }

    #[tokio::test]
    async fn a_process_that_ends_at_once_is_reported_with_what_it_printed() {
        let home = Directory::make("process").unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo no luck; exit 3"]);
        let mut process = Process::start("a shell", &mut shell, home.path().join("log")).unwrap();
        let address = free_address().unwrap();
        let mistake = process.listening(address, Duration::from_secs(20)).await.unwrap_err();
        assert!(mistake.to_string().contains("no luck"), "{mistake}");
    }
}
