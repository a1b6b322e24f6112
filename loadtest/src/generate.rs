//! Sends on a schedule. In an open loop each send has an intended start that does not depend on
//! earlier sends, and its latency counts from that start: a slow target cannot hide by slowing
//! the generator down.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::body::BodyMaker;
use crate::pick::Pick;
use crate::schedule::Schedule;
use crate::tally::Tally;

const REJECTION: HeaderName = HeaderName::from_static("tollgate-rejection");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const CAMPAIGN: HeaderName = HeaderName::from_static("tollgate-campaign");

/// Tallies are shared by a few connections each: enough to keep them apart, few enough to merge
/// every second.
const SHARDS: usize = 8;

/// How often the pacer looks for sends that are due.
const PACER_TICK: Duration = Duration::from_micros(100);

/// What is sent, to whom, in whose name and when.
pub struct Load {
    /// `host:port` to connect to.
    pub authority: String,
    pub senders: Vec<Sender>,
    /// Which of the senders a send has.
    pub sender: Pick,
    /// Campaigns that sends belong to in turn, beyond the one of the sender's headers.
    pub campaigns: Option<u64>,
    pub bodies: BodyMaker,
    /// What each send's own key begins with; without it the key is the sender's.
    pub varied_key: Option<String>,
    /// Prefix of idempotency keys, one per send; none are sent without it.
    pub idempotency: Option<String>,
    /// Most a send may take from its real start.
    pub deadline: Duration,
    pub connections: usize,
    pub pace: Pace,
    /// Number of the first send; a run that goes on with another's recipients begins behind it.
    pub first: u64,
}

/// One of those that sends come from: a channel, with the key of its account.
pub struct Sender {
    pub path: Uri,
    /// Headers of each of its sends.
    pub headers: HeaderMap,
}

/// When sends start.
pub enum Pace {
    /// As soon as the connection is free, for so long.
    Closed(Duration),
    /// As soon as the connection is free, so many.
    Count(u64),
    /// When they are due.
    Open(Schedule),
}

/// What a run's connections share.
pub struct Plan {
    load: Load,
    /// Sends that are due and not taken; the pacer of an open loop adds to them.
    due: Semaphore,
    start: Instant,
    end: Instant,
    /// Sends begun.
    begun: AtomicU64,
    tallies: Vec<Mutex<Tally>>,
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

/// Sends all of a plan; returns how long that took from the plan's start.
pub async fn run(plan: &Arc<Plan>) -> anyhow::Result<Duration> {
    let mut workers = JoinSet::new();
    for index in 0..plan.load.connections {
        workers.spawn(drive(plan.clone(), index));
    }
    let pacer = {
        let plan = plan.clone();
        std::thread::spawn(move || pace(&plan))
    };
    while let Some(worker) = workers.join_next().await {
        worker.context("a connection's task failed")?;
    }
    let took = plan.start.elapsed();
    if pacer.join().is_err() {
        bail!("the pacer thread failed");
    }
    Ok(took)
}

/// Releases sends as they fall due. Runs on a thread of its own because the runtime's timer is a
/// millisecond coarse.
fn pace(plan: &Plan) {
    let Pace::Open(schedule) = &plan.load.pace else {
        return;
    };
    std::thread::sleep(plan.start.saturating_duration_since(Instant::now()));
    let mut released = 0u64;
    while released < schedule.total() {
        let reached = schedule.due(plan.start.elapsed());
        plan.due.add_permits((reached - released) as usize);
        released = reached;
        std::thread::sleep(PACER_TICK);
    }
    // One more each, so that every connection wakes up and sees that there is nothing left.
    plan.due.add_permits(plan.load.connections);
}

/// Sends over one connection until the run ends.
async fn drive(plan: Arc<Plan>, index: usize) {
    let mut connection = Connection::default();
    // Connect before the first send is due; if that fails, the first send counts the error.
    let warm_up = timeout(plan.load.deadline, connection.ready(&plan.load.authority)).await;
    if !matches!(warm_up, Ok(Ok(_))) {
        connection = Connection::default();
    }
    tokio::time::sleep_until(plan.start.into()).await;
    while let Some((number, intended)) = plan.next().await {
        if matches!(plan.load.pace, Pace::Open(_)) && Instant::now() > plan.end + plan.load.deadline
        {
            plan.tally(index, |tally| tally.unsent += 1);
            continue;
        }
        let result = timeout(plan.load.deadline, connection.send(&plan, number)).await;
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
    pub fn new(load: Load) -> anyhow::Result<Plan> {
        // Time to open the connections first: that is not what is measured.
        let warm_up = Duration::from_millis(50 + load.connections as u64 / 5);
        let start = Instant::now() + warm_up;
        let duration = match &load.pace {
            Pace::Closed(duration) => *duration,
            Pace::Count(_) => Duration::ZERO,
            Pace::Open(schedule) => schedule.duration(),
        };
        let tallies: anyhow::Result<Vec<Mutex<Tally>>> =
            (0..SHARDS).map(|_| Tally::new().map(Mutex::new)).collect();
        Ok(Plan {
            load,
            due: Semaphore::new(0),
            start,
            end: start + duration,
            begun: AtomicU64::new(0),
            tallies: tallies?,
        })
    }

    /// Waits for the next send; returns its number and when it is meant to start, or nothing when
    /// there are no more.
    async fn next(&self) -> Option<(u64, Instant)> {
        let now = Instant::now();
        let begin = || self.begun.fetch_add(1, Ordering::Relaxed);
        let (index, intended) = match &self.load.pace {
            Pace::Closed(_) => (now < self.end).then(|| (begin(), now))?,
            Pace::Count(count) => Some((begin(), now)).filter(|(index, _)| index < count)?,
            Pace::Open(schedule) => {
                self.due.acquire().await.ok()?.forget();
                let index = Some(begin()).filter(|index| *index < schedule.total())?;
                (index, self.start + schedule.start_of(index))
            }
        };
        Some((self.load.first + index, intended))
    }

    fn tally(&self, index: usize, change: impl FnOnce(&mut Tally)) {
        let tally = &self.tallies[index % self.tallies.len()];
        change(&mut tally.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Returns the sum of all tallies, and starts a new stretch in each.
    pub fn total(&self) -> anyhow::Result<Tally> {
        let mut total = Tally::new()?;
        for tally in &self.tallies {
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            total.merge(&tally)?;
            tally.start_stretch();
        }
        Ok(total)
    }

    /// Returns how long ago the first send was due.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Waits until so long after the first send was due.
    pub async fn reach(&self, elapsed: Duration) {
        tokio::time::sleep_until((self.start + elapsed).into()).await;
    }

    /// Returns how many sends should have begun by now; those that have, in a closed loop.
    pub fn intended(&self) -> u64 {
        match &self.load.pace {
            Pace::Open(schedule) => schedule.due(self.elapsed()),
            Pace::Closed(_) | Pace::Count(_) => self.begun.load(Ordering::Relaxed),
        }
    }

    fn request(&self, number: u64) -> Request<Full<Bytes>> {
        let load = &self.load;
        let sender = &load.senders[load.sender.of(number) as usize];
        let mut request = Request::new(Full::new(load.bodies.make(number)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = sender.path.clone();
        let headers = request.headers_mut();
        *headers = sender.headers.clone();
        let mut insert = |name: HeaderName, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        if let Some(prefix) = &load.idempotency {
            insert(IDEMPOTENCY_KEY, format!("{prefix}{number}"));
        }
        if let Some(prefix) = &load.varied_key {
            insert(AUTHORIZATION, format!("Bearer {prefix}{number}"));
        }
        if let Some(campaigns) = load.campaigns {
            insert(CAMPAIGN, format!("campaign-{}", number % campaigns));
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
        let sender = self.ready(&plan.load.authority).await?;
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
