//! The gateway's own TLS, seen by the clients that people use: curl, openssl, nghttp.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_rustls::TlsConnector;

use crate::support::{
    Authority, Backend, Deployment, Issued, KEY, LOCAL, NUMBER, OPERATOR_KEY, Process, Setup,
    World, indian, marketing,
};

/// Runs a client to its end; its output, both streams.
async fn output(program: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{program} cannot be started ({error}); `make test` installs it")
        });
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let done = tokio::time::timeout(Duration::from_secs(30), child.wait_with_output()).await;
    let done = done.unwrap_or_else(|_| panic!("{program} does not end")).unwrap();
    String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
}

/// `status protocol` and then the body.
async fn curl(ca: &Path, options: &[&str], url: &str) -> String {
    let ca = ca.display().to_string();
    let common = ["--silent", "--show-error", "--cacert", &ca, "--max-time", "20", "--write-out"];
    let format = ["\n%{http_code} HTTP/%{http_version}"];
    output("curl", &[&common[..], &format, options, &[url]].concat(), "").await
}

struct Served {
    world: World,
    home: tempfile::TempDir,
}

/// A world whose three listeners speak TLS.
async fn served(with: fn(Setup) -> Setup) -> Served {
    let (authority, home) = (Authority::new(), tempfile::tempdir().unwrap());
    authority.write(home.path());
    let setup = listeners(with(Setup::on(Backend::Embedded)), home.path(), &authority.issue(LOCAL));
    Served { world: World::of(setup).await, home }
}

fn listeners(setup: Setup, home: &Path, issued: &Issued) -> Setup {
    let (cert, key) = issued.write(home, "listener");
    ["tls", "admin_tls", "ops_tls"].iter().fold(
        setup.set("listen.ops", "127.0.0.1:0"),
        |setup, section| {
            setup
                .set(&format!("listen.{section}.cert_file"), cert.display())
                .set(&format!("listen.{section}.key_file"), key.display())
        },
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_sends_over_each_protocol() {
    let Served { world, home, .. } = served(|setup| setup).await;
    let ca = home.path().join("ca.pem");
    let url = format!("https://localhost:{}/v24.0/{NUMBER}/messages", world.data.port());
    let key = format!("Authorization: Bearer {KEY}");
    for (n, (protocol, spoken)) in [
        ("--http2", "HTTP/2"),
        ("--http2-prior-knowledge", "HTTP/2"),
        ("--http1.1", "HTTP/1.1"),
        ("--tlsv1.2", "HTTP/2"),
        ("--tlsv1.3", "HTTP/2"),
    ]
    .into_iter()
    .enumerate()
    {
        let body = marketing(&indian(n));
        let options = [protocol, "-H", &key, "-H", "Content-Type: application/json", "-d", &body];
        let answer = curl(&ca, &options, &url).await;
        assert!(answer.ends_with(&format!("200 {spoken}")), "{protocol}: {answer}");
        assert!(answer.contains("wamid."), "{protocol}: {answer}");
    }
    assert_eq!(world.simulator.accepted_count(), 5);
    // HTTP/2 without TLS is for listeners without TLS.
    let plain = curl(&ca, &["--http2-prior-knowledge"], &url.replace("https", "http")).await;
    assert!(plain.contains("\n000 HTTP/0"), "{plain}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admin_and_ops_are_served_too() {
    let Served { world, home, .. } = served(|setup| setup).await;
    let ca = home.path().join("ca.pem");
    let key = format!("Authorization: Bearer {OPERATOR_KEY}");
    let admin = format!("https://127.0.0.1:{}", world.admin.port());
    let wallet = format!("{admin}/v1/accounts/acme/wallets/main");
    let answer = curl(&ca, &["-H", &key], &wallet).await;
    assert!(
        answer.contains("\"settled\":\"100.00\"") && answer.ends_with("200 HTTP/2"),
        "{answer}"
    );
    let ops = format!("https://127.0.0.1:{}/readyz", world.ops_addr().unwrap().port());
    assert!(curl(&ca, &["--http1.1"], &ops).await.ends_with("200 HTTP/1.1"));
    // A listener with TLS has no plain text beside it.
    let plain = curl(&ca, &[], &wallet.replace("https", "http")).await;
    assert!(plain.contains("\n000 HTTP/0"), "{plain}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_tls_is_refused() {
    let Served { world, home, .. } = served(|setup| setup).await;
    let (ca, address) = (home.path().join("ca.pem"), world.data.to_string());
    let ca = ca.display().to_string();
    let connect = ["s_client", "-connect", &address, "-CAfile", &ca, "-verify_return_error"];
    for (version, spoken) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let arguments = [&connect[..], &[version, "-alpn", "h2"]].concat();
        let answer = output("openssl", &arguments, "Q\n").await;
        assert!(answer.contains(spoken) && answer.contains("ALPN protocol: h2"), "{answer}");
        assert!(answer.contains("Verify return code: 0 (ok)"), "{answer}");
    }
    // At the lowest security level the client would speak it.
    let old = ["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"];
    let answer = output("openssl", &[&connect[..], &old].concat(), "Q\n").await;
    assert!(answer.contains("Cipher is (NONE)"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leave_behind_more_bytes_is_seen() {
    let Served { world, home, .. } = served(|setup| setup).await;
    let ca = std::fs::read(home.path().join("ca.pem")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&ca).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    world.simulator.set_latency(Duration::from_millis(400));
    let url = format!("https://localhost:{}/v24.0/{NUMBER}/messages", world.data.port());
    let key = format!("Authorization: Bearer {KEY}");
    // With a word at the end, without, and with an answer that is read to its end.
    for (case, end) in ["close_notify", "reset", "half close"].into_iter().enumerate() {
        let body = marketing(&indian(case));
        let stream = TcpStream::connect(world.data).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        let sent = format!(
            "POST /v24.0/{NUMBER}/messages HTTP/1.1\r\nHost: gateway\r\n{key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}\
             GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n",
            body.len()
        );
        stream.write_all(sent.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
        match end {
            "reset" => stream.get_ref().0.set_zero_linger().unwrap(),
            _ => stream.shutdown().await.unwrap(),
        }
        if end == "half close" {
            let mut answer = String::new();
            let read = stream.read_to_string(&mut answer);
            tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        drop(stream);
        tokio::time::sleep(Duration::from_millis(600)).await;
        let ca = home.path().join("ca.pem");
        let options = ["-i", "-H", &key, "-H", "Content-Type: application/json", "-d", &body];
        let again = curl(&ca, &options, &url).await.to_lowercase();
        assert!(again.contains("idempotency-replayed: true"), "{end}: {again}");
        assert_eq!(world.simulator.accepted_count(), u64::try_from(case).unwrap() + 1, "{end}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nghttp_sends_many_streams() {
    let Served { world, .. } = served(|setup| setup.channel("throughput_limit = 1000")).await;
    let url = format!("https://localhost:{}/v24.0/{NUMBER}/messages", world.data.port());
    let body = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(body.path(), marketing(&indian(1))).unwrap();
    let (body, key) = (body.path().display().to_string(), format!("authorization: Bearer {KEY}"));
    let arguments = [
        "-n",
        "300",
        "-c",
        "3",
        "-m",
        "50",
        "-d",
        &body,
        "-H",
        &key,
        "-H",
        "content-type: application/json",
        &url,
    ];
    let answer = output("h2load", &arguments, "").await;
    assert!(answer.contains("300 succeeded, 0 failed, 0 errored, 0 timeout"), "{answer}");
    assert!(answer.contains("300 2xx"), "{answer}");
    assert_eq!(world.simulator.accepted_count(), 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_replaced_while_connections_are_served() {
    let (first, second) = (Authority::new(), Authority::new());
    let deployment = Deployment::prepare(Setup::on(Backend::Embedded));
    let home = deployment.home.path().to_owned();
    let (cert, key) = first.issue(LOCAL).write(&home, "listener");
    let old_ca = first.write(&home);
    let new_home = tempfile::tempdir().unwrap();
    let new_ca = second.write(new_home.path());
    let files = (cert.display().to_string(), key.display().to_string());
    let process = Process::serve(
        &deployment,
        &[("listen.tls.cert_file", &files.0), ("listen.tls.key_file", &files.1)],
    );
    let url = format!("https://localhost:{}/livez", process.client.data.port());
    assert!(curl(&old_ca, &[], &url).await.ends_with("200 HTTP/2"));

    // A certificate without its key: the pair before stays in use, and the log says so.
    std::fs::write(&cert, second.issue(LOCAL).cert).unwrap();
    process.signal("HUP");
    process.wait_for("a listener's certificate stays as it was");
    assert!(curl(&old_ca, &[], &url).await.ends_with("200 HTTP/2"));

    second.issue(LOCAL).write(&home, "listener");
    process.signal("HUP");
    process.wait_for("a listener's certificate changed and is in use");
    assert!(curl(&new_ca, &[], &url).await.ends_with("200 HTTP/2"));
    assert!(
        curl(&old_ca, &[], &url).await.contains("\n000 HTTP/0"),
        "the old one is shown no more"
    );

    // Without a signal it is noticed within seconds.
    first.issue(LOCAL).write(&home, "listener");
    for _ in 0..100 {
        if curl(&old_ca, &[], &url).await.ends_with("200 HTTP/2") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the change was not noticed:\n{}", process.log());
}
