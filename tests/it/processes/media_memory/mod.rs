//! Media are streamed: neither their size nor a slow reader on either side shows in the memory of
//! the gateway.

mod streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{Method, Request};

use crate::support::{Authority, Backend, Deployment, KEY, LOCAL, NUMBER, Process, Setup};
use streams::{Connection, File, MediaHost, PAUSE, Readers};

/// The largest document that Meta takes.
const SIZE: usize = 100 << 20;

/// Buffers of one connection on each side, and what the allocator keeps of them. The upload with
/// its form is larger by some hundred bytes.
const ROOM: usize = 16 << 20;

/// A gateway process, what it is in front of, and how one speaks to it.
struct Place {
    host: MediaHost,
    process: Process,
    authority: Option<Authority>,
    protocol: &'static str,
    _deployment: Deployment,
}

impl Place {
    /// `protocol` is spoken on both sides, over TLS; an empty one is HTTP/1.1 without TLS.
    async fn open(protocol: &'static str) -> Place {
        let authority = (!protocol.is_empty()).then(Authority::new);
        let issued = authority.as_ref().map(|authority| authority.issue(LOCAL));
        let host = MediaHost::open(issued.as_ref().map(|issued| issued.server(&[protocol]))).await;
        let home = tempfile::tempdir().unwrap();
        let mut setup = Setup::on(Backend::Embedded)
            .media_host(&host.address.to_string())
            .set("upstream.url", host.url());
        if let (Some(authority), Some(issued)) = (&authority, &issued) {
            let (cert, key) = issued.write(home.path(), "listener");
            setup = setup
                .set("upstream.ca_file", authority.write(home.path()).display())
                .set("listen.tls.cert_file", cert.display())
                .set("listen.tls.key_file", key.display());
        }
        let deployment = Deployment::prepare(setup);
        let process = Process::serve(&deployment, &[]);
        Place { host, process, authority, protocol, _deployment: deployment }
    }

    async fn connect(&self) -> Connection {
        Connection::open(self.process.client.data, self.authority.as_ref(), self.protocol).await
    }

    /// Uploads a file; the status.
    async fn upload(&self, bytes: usize) -> u16 {
        let file = File::form(bytes);
        let request = Request::post(format!("/v24.0/{NUMBER}/media"))
            .header("content-type", "multipart/form-data; boundary=limit")
            .header("authorization", format!("Bearer {KEY}"));
        let answer = self.connect().await.ask(request, file).await;
        answer.status().as_u16()
    }

    /// Downloads a file of that size; the bytes that came.
    async fn download(&self, bytes: usize, readers: &Readers) -> usize {
        let about = Request::get(format!("/v24.0/{bytes}?phone_number_id={NUMBER}"))
            .header("authorization", format!("Bearer {KEY}"));
        let answer = self.connect().await.ask(about, File::empty()).await;
        assert_eq!(answer.status(), 200);
        let url = streams::url_of(answer).await;
        let path = url.split_once("/media/").unwrap_or_else(|| panic!("{url}")).1;
        let fetch = Request::builder().method(Method::GET).uri(format!("/media/{path}"));
        let answer = self.connect().await.ask(fetch, File::empty()).await;
        assert_eq!(answer.status(), 200);
        readers.read(answer.into_body()).await
    }

    /// What the gateway's memory is before `work`, at most during it, and after it, in bytes.
    async fn measure(&self, work: impl Future<Output = ()>) -> [usize; 3] {
        let before = self.process.memory();
        let (highest, ended) = (AtomicUsize::new(before), AtomicBool::new(false));
        let watch = async {
            while !ended.load(Ordering::Relaxed) {
                highest.fetch_max(self.process.memory(), Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let working = async {
            work.await;
            ended.store(true, Ordering::Relaxed);
        };
        tokio::join!(working, watch);
        [before, highest.into_inner(), self.process.memory()]
    }

    fn check(&self, what: &str, memory: [usize; 3], took: Duration) {
        let [before, during, after] = memory.map(|bytes| bytes >> 10);
        let protocol =
            if self.protocol.is_empty() { "http/1.1 without TLS" } else { self.protocol };
        eprintln!(
            "{what}, {protocol}: RssAnon {before} KiB before, at most {during} KiB during, \
             {after} KiB after; {took:.1?}"
        );
        let grown = memory[1].saturating_sub(memory[0]);
        assert!(grown < ROOM, "{what}, {protocol}: {grown} bytes more");
    }
}

/// Both directions at full speed, and both with somebody who does not read for a while.
async fn nothing_shows_in_the_memory(protocol: &'static str) {
    let place = Place::open(protocol).await;
    // The first of each kind makes connections, buffers and threads.
    let fast = Readers::default();
    for _ in 0..2 {
        assert_eq!(place.upload(1 << 20).await, 200);
        assert_eq!(place.download(1 << 20, &fast).await, 1 << 20);
    }
    let begin = Instant::now();
    let memory = place.measure(async { assert_eq!(place.upload(SIZE).await, 200) }).await;
    place.check("an upload of 100 MiB", memory, begin.elapsed());
    assert_eq!(place.host.received.load(Ordering::SeqCst), SIZE);

    let begin = Instant::now();
    let down = async { assert_eq!(place.download(SIZE, &fast).await, SIZE) };
    let memory = place.measure(down).await;
    place.check("a download of 100 MiB", memory, begin.elapsed());

    // Upstream takes a little of the upload, and then nothing for a while.
    let begin = Instant::now();
    place.host.pauses.store(true, Ordering::SeqCst);
    let memory = place.measure(async { assert_eq!(place.upload(SIZE).await, 200) }).await;
    place.check("an upload to a slow upstream", memory, begin.elapsed());
    assert!(begin.elapsed() >= PAUSE, "it did not pause");

    let begin = Instant::now();
    let slow = Readers { pause: Some(PAUSE), sent: Some(Arc::clone(&place.host.sent)) };
    let down = async { assert_eq!(place.download(SIZE, &slow).await, SIZE) };
    let memory = place.measure(down).await;
    place.check("a download by a slow client", memory, begin.elapsed());
    assert!(begin.elapsed() >= PAUSE, "it did not pause");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_do_not_show_in_the_memory() {
    nothing_shows_in_the_memory("").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_over_tls_do_not_show_in_the_memory() {
    nothing_shows_in_the_memory("http/1.1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_over_http2_do_not_show_in_the_memory() {
    nothing_shows_in_the_memory("h2").await;
}
