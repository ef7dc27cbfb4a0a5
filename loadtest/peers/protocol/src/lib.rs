//! The protocol of `README.md` for peers in Rust: arguments, events, counting and enqueuing.
//!
//! Invariant: an event is one line on stdout, written at once.

use std::error::Error;
use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// What goes wrong.
pub type Fault = Box<dyn Error + Send + Sync>;

/// The job: its number and, where latency is measured, when it was enqueued.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Noop {
    /// Its number.
    pub n: u64,
    /// Microseconds since 1970.
    pub us: u64,
}

/// What a worker is tuned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Many jobs.
    Drain,
    /// Few jobs, soon.
    Latency,
    /// Nothing.
    Default,
}

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// setup, work, bulk, single or pace
    pub verb: String,
    /// The connection string.
    pub dsn: String,
    /// What a worker is tuned for.
    pub profile: Profile,
    jobs: u64,
    batch: u64,
    rate: u64,
    tells_starts: bool,
}

static ASKED: OnceLock<Asked> = OnceLock::new();
static RAN: AtomicU64 = AtomicU64::new(0);

impl Asked {
    /// Reads the command line, once.
    ///
    /// # Errors
    /// It is not understood, or the file with the connection string cannot be read.
    pub fn read() -> Result<&'static Self, Fault> {
        let mut words = std::env::args().skip(1);
        let mut asked = Self {
            verb: words.next().ok_or("no verb")?,
            dsn: String::new(),
            profile: Profile::Drain,
            jobs: 0,
            batch: 5000,
            rate: 50,
            tells_starts: false,
        };
        while let Some(flag) = words.next() {
            if flag == "--tell-starts" {
                asked.tells_starts = true;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{flag} without value"))?;
            match flag.as_str() {
                "--dsn-file" => asked.dsn = std::fs::read_to_string(value)?.trim().to_owned(),
                "--jobs" => asked.jobs = value.parse()?,
                "--batch" => asked.batch = value.parse()?,
                "--rate" => asked.rate = value.parse()?,
                "--profile" => {
                    asked.profile = match value.as_str() {
                        "drain" => Profile::Drain,
                        "latency" => Profile::Latency,
                        "default" => Profile::Default,
                        _ => return Err(format!("no such profile: {value}").into()),
                    };
                }
                _ => return Err(format!("no such flag: {flag}").into()),
            }
        }
        Ok(ASKED.get_or_init(|| asked))
    }

    /// Connections that the verb may use: enqueuing has one.
    pub fn connections(&self, of_worker: u32) -> u32 {
        if self.verb == "work" { of_worker } else { 1 }
    }
}

/// Writes one event.
fn say(event: &serde_json::Value) {
    let line = format!("{event}\n");
    // A reader that went away is no reason to stop.
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}

/// Says that the worker begins.
pub fn ready() {
    say(&serde_json::json!({ "event": "ready" }));
}

/// The handler: counts, and tells how long the job waited where that is asked for.
pub fn ran(job: Noop) {
    let Some(asked) = ASKED.get() else { return };
    if asked.tells_starts {
        let us = now_us().saturating_sub(job.us);
        say(&serde_json::json!({ "event": "started", "us": us }));
    }
    if RAN.fetch_add(1, Ordering::Relaxed) + 1 == asked.jobs {
        say(&serde_json::json!({ "event": "ran", "jobs": asked.jobs }));
    }
}

/// How a client enqueues.
pub trait Client {
    /// One job.
    ///
    /// # Errors
    /// The client's.
    fn one(&mut self, job: Noop) -> impl Future<Output = Result<(), Fault>>;
    /// Many jobs at once.
    ///
    /// # Errors
    /// The client's.
    fn many(&mut self, jobs: Vec<Noop>) -> impl Future<Output = Result<(), Fault>>;
}

/// Enqueues as the verb says.
///
/// # Errors
/// The client's, or there is no such verb.
pub async fn enqueue(asked: &Asked, mut client: impl Client) -> Result<(), Fault> {
    let began = Instant::now();
    match asked.verb.as_str() {
        "bulk" => {
            let mut from = 0;
            while from < asked.jobs {
                let to = asked.jobs.min(from + asked.batch);
                client.many((from..to).map(|n| Noop { n, us: 0 }).collect()).await?;
                from = to;
            }
        }
        "single" | "pace" => {
            for n in 0..asked.jobs {
                if asked.verb == "pace" {
                    let due = began + Duration::from_micros(n * 1_000_000 / asked.rate);
                    tokio::time::sleep_until(due.into()).await;
                }
                client.one(Noop { n, us: now_us() }).await?;
            }
        }
        verb => return Err(format!("no such verb: {verb}").into()),
    }
    let seconds = began.elapsed().as_secs_f64();
    say(&serde_json::json!({ "event": "enqueued", "jobs": asked.jobs, "seconds": seconds }));
    Ok(())
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
