//! A campaign engine on an SDK: a program of its own that prints what each of its steps gave, one
//! JSON object a line.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::support::{Authority, LOCAL, Setup, World};

/// The host of the Graph API, which is fixed in most SDKs.
pub const GRAPH: &str = "graph.facebook.com";

/// A path in the repository.
pub fn path(inner: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(inner)
}

/// What `setup`, a script of `.ci`, installs at `inner`.
pub fn installed(inner: &str, setup: &str) -> PathBuf {
    let installed = path(inner);
    assert!(installed.exists(), "{} is missing; {setup} installs it", installed.display());
    installed
}

/// What each step gave.
#[derive(Debug)]
pub struct Steps(Vec<Value>);

impl Steps {
    /// Runs an engine to its end, with `input` as its standard input.
    pub async fn of(mut command: Command, input: &str) -> Steps {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
        let output = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output())
            .await
            .expect("the SDK hangs")
            .unwrap();
        let (printed, wrote) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        assert!(output.status.success(), "{printed}\n{wrote}");
        Steps(printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// The step of that name.
    #[track_caller]
    pub fn step(&self, name: &str) -> &Value {
        let step = self.0.iter().find(|step| step["step"] == name);
        step.unwrap_or_else(|| panic!("no step {name} in {:#?}", self.0))
    }

    /// What each step but those of messages gave.
    #[cfg(feature = "deep-sdks")]
    pub fn others(&self) -> Vec<&Value> {
        let is_message = |id: &Value| id.as_str().is_some_and(|id| id.starts_with("wamid."));
        let given = self.0.iter().filter(|step| !step["id"].is_null());
        given.filter(|step| !is_message(&step["id"])).collect()
    }

    /// The ids of messages, in order.
    pub fn message_ids(&self) -> Vec<&str> {
        let ids = self.0.iter().filter_map(|step| step["id"].as_str());
        ids.filter(|id| id.starts_with("wamid.")).collect()
    }
}

/// The environment of every engine: no proxy of this machine comes between, and only `authority`
/// vouches for servers.
pub fn environment(command: &mut Command, authority: Option<&std::path::Path>) {
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    // The media host of an upstream without a gateway is reached as it is.
    command.env("NO_PROXY", "127.0.0.1");
    let Some(authority) = authority else { return };
    for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
        command.env(name, authority);
    }
}

/// A world in which both the gateway and upstream speak TLS; the gateway is also known as the Graph
/// API's host.
pub struct SecureWorld {
    pub world: World,
    pub authority: Authority,
    pub home: tempfile::TempDir,
}

impl SecureWorld {
    pub async fn of(setup: Setup) -> SecureWorld {
        let (authority, home) = (Authority::new(), tempfile::tempdir().unwrap());
        let ca = authority.write(home.path());
        let issued = authority.issue(&[LOCAL, &[GRAPH]].concat());
        let (cert, key) = issued.write(home.path(), "listener");
        let protocols = ["h2", "http/1.1"];
        let setup = setup
            .set("listen.tls.cert_file", cert.display())
            .set("listen.tls.key_file", key.display())
            .set("upstream.ca_file", ca.display())
            .simulator(|options| options.tls = Some(issued.server(&protocols)));
        SecureWorld { world: World::of(setup).await, authority, home }
    }

    /// The certificate of the authority that vouches for both.
    pub fn ca(&self) -> PathBuf {
        self.home.path().join("ca.pem")
    }
}
