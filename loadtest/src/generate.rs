//! Sends on a schedule. In an open loop each send has an intended start that does not depend on
//! earlier sends, and its latency counts from that start: a slow target cannot hide by slowing
//! the generator down.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::body::BodyMaker;
use crate::tally::Tally;

const REJECTION: HeaderName = HeaderName::from_static("tollgate-rejection");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub const CAMPAIGN: HeaderName = HeaderName::from_static("tollgate-campaign");

/// Tallies are shared by a few connections each: enough to keep them apart, few enough to merge
/// every second.
pub const SHARDS: usize = 8;

/// How often the pacer looks for sends that are due.
const PACER_TICK: Duration = Duration::from_micros(100);

/// Everything the connections of one run share.
pub struct Plan {
    /// `host:port` to connect to.
    pub authority: String,
    /// Paths of the sends, taken in turn.
    pub paths: Vec<Uri>,
    /// Headers of every send.
    pub headers: HeaderMap,
    pub bodies: BodyMaker,
    /// What each send's own key begins with; without it all have the key of `headers`.
    pub varied_key: Option<String>,
    /// Prefix of idempotency keys, one per send; none are sent without it.
    pub idempotency: Option<String>,
    /// Most a send may take from its real start.
    pub deadline: Duration,
    pub pace: Pace,
    pub start: Instant,
    pub end: Instant,
    /// The next send's number.
    pub next: AtomicU64,
    pub tallies: Vec<Mutex<Tally>>,
}

/// When sends start.
pub enum Pace {
    /// As soon as the connection is free.
    Closed,
    /// `total` sends, `rate` a second; the pacer adds a permit when one is due.
    Open { rate: u32, total: u64, due: Arc<Semaphore> },
}

/// Returns the headers of every send; fails if the key or the campaign is not valid in a header.
pub fn headers(
    authority: &str,
    key: &str,
    campaign: Option<&str>,
) -> Result<HeaderMap, http::header::InvalidHeaderValue> {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_str(authority)?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {key}"))?);
    if let Some(campaign) = campaign {
        headers.insert(CAMPAIGN, HeaderValue::from_str(campaign)?);
    }
    Ok(headers)
}

/// Releases sends as they fall due. Runs on a thread of its own because the runtime's timer is a
/// millisecond coarse.
pub fn pace(plan: &Plan, connections: usize) {
    let Pace::Open { rate, total, due } = &plan.pace else {
        return;
    };
    std::thread::sleep(plan.start.saturating_duration_since(Instant::now()));
    let mut released = 0u64;
    while released < *total {
        let elapsed = plan.start.elapsed().as_nanos();
        let reached = elapsed * u128::from(*rate) / 1_000_000_000 + 1;
        let reached = u64::try_from(reached).unwrap_or(u64::MAX).min(*total);
        due.add_permits((reached - released) as usize);
        released = reached;
        std::thread::sleep(PACER_TICK);
    }
    // One more each, so that every connection wakes up and sees that there is nothing left.
    due.add_permits(connections);
}

/// Sends over one connection until the run ends.
pub async fn drive(plan: Arc<Plan>, index: usize) {
    let mut connection = Connection::default();
    // Connect before the first send is due; if that fails, the first send counts the error.
    let warm_up = timeout(plan.deadline, connection.ready(&plan.authority)).await;
    if !matches!(warm_up, Ok(Ok(_))) {
        connection = Connection::default();
    }
    tokio::time::sleep_until(plan.start.into()).await;
    loop {
        let (number, intended) = match &plan.pace {
            Pace::Closed => {
                let now = Instant::now();
                if now >= plan.end {
                    return;
                }
                (plan.next.fetch_add(1, Ordering::Relaxed), now)
            }
            Pace::Open { rate, total, due } => {
                match due.acquire().await {
                    Ok(permit) => permit.forget(),
                    Err(_) => return,
                }
                let number = plan.next.fetch_add(1, Ordering::Relaxed);
                if number >= *total {
                    return;
                }
                let nanos = u128::from(number) * 1_000_000_000 / u128::from(*rate);
                let offset = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
                (number, plan.start + offset)
            }
        };
        if Instant::now() > plan.end + plan.deadline {
            plan.tally(index, |tally| tally.unsent += 1);
            continue;
        }
        let result = timeout(plan.deadline, connection.send(&plan, number)).await;
        let latency = intended.elapsed();
        let result = result.unwrap_or(Err("timeout"));
        if result.is_err() {
            connection = Connection::default();
        }
        plan.tally(index, |tally| match &result {
            Ok((status, rejection)) => {
                let rejection = rejection.as_ref().and_then(|value| value.to_str().ok());
                tally.answer(*status, rejection, latency);
            }
            Err(what) => tally.error(what),
        });
        if result.is_err() {
            // Without a pause a closed loop would flood a target that is down.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Plan {
    fn tally(&self, index: usize, change: impl FnOnce(&mut Tally)) {
        let tally = &self.tallies[index % self.tallies.len()];
        change(&mut tally.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Returns the sum of all tallies.
    pub fn total(&self) -> anyhow::Result<Tally> {
        let mut total = Tally::new()?;
        for tally in &self.tallies {
            total.merge(&tally.lock().unwrap_or_else(PoisonError::into_inner))?;
        }
        Ok(total)
    }

    fn request(&self, number: u64) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.bodies.make(number)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.paths[(number % self.paths.len() as u64) as usize].clone();
        *request.headers_mut() = self.headers.clone();
        if let Some(prefix) = &self.idempotency
            && let Ok(key) = HeaderValue::from_str(&format!("{prefix}{number}"))
        {
            request.headers_mut().insert(IDEMPOTENCY_KEY, key);
        }
        if let Some(prefix) = &self.varied_key
            && let Ok(key) = HeaderValue::from_str(&format!("Bearer {prefix}{number}"))
        {
            request.headers_mut().insert(AUTHORIZATION, key);
        }
        request
    }
}

/// A keep-alive connection that is opened when needed.
#[derive(Default)]
struct Connection {
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// Sends message `number`; returns status and rejection name, or the kind of error.
    async fn send(
        &mut self,
        plan: &Plan,
        number: u64,
    ) -> Result<(u16, Option<HeaderValue>), &'static str> {
        let sender = self.ready(&plan.authority).await?;
        let reply = sender.send_request(plan.request(number)).await;
        let (parts, mut body) = reply.map_err(|_| "broken")?.into_parts();
        while let Some(frame) = body.frame().await {
            frame.map_err(|_| "broken")?;
        }
        Ok((parts.status.as_u16(), parts.headers.get(REJECTION).cloned()))
    }

    /// Returns the open connection, or a new one if there is none or the target closed it while it
    /// was idle.
    async fn ready(
        &mut self,
        authority: &str,
    ) -> Result<&mut SendRequest<Full<Bytes>>, &'static str> {
        let usable = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            let stream = TcpStream::connect(authority).await.map_err(|_| "connect")?;
            stream.set_nodelay(true).map_err(|_| "connect")?;
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(|_| "connect")?;
            // Ends when the sender is dropped or the target closes; its error shows up in the send.
            tokio::spawn(connection);
            sender.ready().await.map_err(|_| "connect")?;
            self.sender = Some(sender);
        }
        self.sender.as_mut().ok_or("connect")
    }
}
