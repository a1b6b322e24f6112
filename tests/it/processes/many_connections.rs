//! Ten thousand connections that are not used, and a thousand that send their head byte by byte,
//! cost the sends beside them little, and the gateway bounded memory.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Backend, Deployment, NUMBER, Process, Setup, indian, text};

const IDLE: usize = 10_000;
const SLOW: usize = 1_000;
const SENDS: usize = 400;

/// Bytes of memory that one open connection may take, its buffers included.
const BYTES_PER_CONNECTION: usize = 32 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unused_and_slow_connections_cost_little() {
    let setup = Setup::on(Backend::Embedded).channel("throughput_limit = 1000");
    let deployment = Deployment::prepare(setup);
    let process = Process::serve(
        &deployment,
        &[
            ("server.max_connections", "12000"),
            ("server.max_connections_per_address", "12000"),
            ("server.header_timeout_ms", "60000"),
        ],
    );
    let data = process.client.data;
    let before_memory = process.peak_memory();
    let alone = percentile_99(&process, 0).await;
    let mut idle = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        idle.push(connect(data).await);
    }
    let slow = (0..SLOW).map(|_| async move {
        let mut stream = connect(data).await;
        let head = format!("POST /v24.0/{NUMBER}/messages HTTP/1.1\r\nHost: {}", "x".repeat(2_000));
        for byte in head.as_bytes() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let slow: Vec<_> = slow.map(tokio::spawn).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let beside = percentile_99(&process, SENDS).await;
    let memory = process.peak_memory() - before_memory;
    eprintln!(
        "p99 of a send alone {alone:?}, beside {IDLE} idle and {SLOW} slow connections {beside:?}; \
         {memory} bytes more, {} a connection",
        memory / (IDLE + SLOW)
    );
    let still_there = slow.iter().filter(|task| !task.is_finished()).count();
    assert_eq!(still_there, SLOW, "the slow ones were cut, so they have cost nothing");
    slow.iter().for_each(tokio::task::JoinHandle::abort);
    // This machine is shared: a factor and a little time for what else runs on it.
    assert!(beside < alone * 3 + Duration::from_millis(100), "{alone:?} became {beside:?}");
    assert!(memory < (IDLE + SLOW) * BYTES_PER_CONNECTION, "{memory} bytes");
    assert_eq!(deployment.simulator.accepted_count(), 2 * u64::try_from(SENDS).unwrap());
    drop(idle);
}

async fn connect(data: SocketAddr) -> TcpStream {
    TcpStream::connect(data).await.expect("room for 11,000 connections")
}

/// The 99th percentile of the time of sends, one after the other.
async fn percentile_99(process: &Process, from: usize) -> Duration {
    let mut times = Vec::with_capacity(SENDS);
    for n in from..from + SENDS {
        let begin = Instant::now();
        let reply = process.client.send(text(&indian(n))).await;
        times.push(begin.elapsed());
        assert_eq!(reply.status, 200, "{}", reply.json);
    }
    times.sort_unstable();
    times[SENDS * 99 / 100]
}
