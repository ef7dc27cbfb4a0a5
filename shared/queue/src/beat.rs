//! The beats of this process: on their own thread, runtime and connection, so that a busy runtime
//! or an exhausted pool does not look like death.
//!
//! Invariant: [`Standing::Held`] is never shown longer than one lease after the sending of the
//! last beat that was answered, measured by the monotonic clock of this machine.

use std::time::{Duration, Instant};

use certmill_pg::{Pool, connect_beside};
use certmill_tasks::{Backoff, Tasks};
use rand::RngExt;
use sqlx::PgConnection;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

use crate::process::{self, NewProcess};
use crate::{Error, ProcessId, Result};

/// How long resigning may take.
const RESIGN_WITHIN: Duration = Duration::from_secs(5);

/// How to beat.
#[derive(Debug, Clone)]
pub struct BeatOptions {
    /// Where to, as the pool goes there at the time; the connection itself is none of the pool's.
    pub pool: Pool,
    /// How often: well under a third of the lease; 8 s for a lease of 30 s.
    pub every: Duration,
    /// Who registers.
    pub process: NewProcess,
}

/// Whether this process may still consider its jobs its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    Held,
    /// No: stop all work and start a new [`Beat`].
    Lost,
    /// It ended on purpose.
    Resigned,
}

/// A registered process that beats; dropped, it falls silent and its lease runs out.
#[derive(Debug)]
pub struct Beat {
    process_id: ProcessId,
    standing: watch::Receiver<Standing>,
    resign: mpsc::Sender<oneshot::Sender<u64>>,
}

impl Beat {
    /// Registers the process and starts to beat. After [`Standing::Lost`] start anew.
    ///
    /// # Errors
    /// [`Error::Thread`], or the database's while registering.
    pub async fn start(tasks: &Tasks, options: BeatOptions) -> Result<Self> {
        let (registered, answer) = oneshot::channel();
        let (standing_sender, standing) = watch::channel(Standing::Held);
        let (resign, requests) = mpsc::channel(1);
        tasks
            .spawn_own_thread("beat", move || {
                begin(options, registered, standing_sender, requests)
            })
            .map_err(Error::Thread)?;
        let process_id = answer.await.map_err(|_| {
            Error::Thread(std::io::Error::other(
                "it ended before the process was registered",
            ))
        })??;
        Ok(Self {
            process_id,
            standing,
            resign,
        })
    }

    /// The id of this incarnation.
    #[must_use]
    pub fn process_id(&self) -> ProcessId {
        self.process_id
    }

    /// Tells of a lost lease; a closed channel means the same.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Ends the process on purpose: its jobs are free at once. Answers how many it still held;
    /// 0 as well if the database did not answer within 5 s (the lease then runs out).
    pub async fn resign(self) -> u64 {
        let (reply, answer) = oneshot::channel();
        if self.resign.send(reply).await.is_err() {
            return 0;
        }
        tokio::time::timeout(RESIGN_WITHIN, answer)
            .await
            .ok()
            .and_then(std::result::Result::ok)
            .unwrap_or(0)
    }
}

struct Pulse {
    options: BeatOptions,
    process_id: ProcessId,
    conn: Option<PgConnection>,
    /// The lease's end by our own clock, counted from before the last answered beat was sent.
    good_until: Instant,
}

async fn begin(
    options: BeatOptions,
    registered: oneshot::Sender<Result<ProcessId>>,
    standing: watch::Sender<Standing>,
    requests: mpsc::Receiver<oneshot::Sender<u64>>,
) {
    let sent = Instant::now();
    let outcome = async {
        let mut conn = connect(&options.pool).await?;
        let id = process::register(&mut conn, &options.process).await?;
        Ok::<_, Error>((conn, id))
    };
    match outcome.await {
        Err(error) => {
            registered.send(Err(error)).ok();
        }
        Ok((conn, process_id)) => {
            let good_until = sent + options.process.lease;
            info!(process = process_id.0, label = %options.process.label, "process registered");
            if registered.send(Ok(process_id)).is_ok() {
                let pulse = Pulse {
                    options,
                    process_id,
                    conn: Some(conn),
                    good_until,
                };
                pulse.run(&standing, requests).await;
            }
        }
    }
}

async fn connect(pool: &Pool) -> Result<PgConnection> {
    connect_beside(pool).await.map_err(Error::Database)
}

impl Pulse {
    async fn run(
        mut self,
        standing: &watch::Sender<Standing>,
        mut requests: mpsc::Receiver<oneshot::Sender<u64>>,
    ) {
        let mut failures = 0;
        loop {
            let pause = self.pause(failures);
            tokio::select! {
                request = requests.recv() => {
                    // None: the handle was dropped, so nobody works under this lease any more.
                    let Some(reply) = request else { return };
                    let released = self.resign().await;
                    standing.send_replace(Standing::Resigned);
                    reply.send(released).ok();
                    return;
                }
                () = tokio::time::sleep(pause) => {}
            }
            // Checked before the statement is sent: a process that was stopped for longer than
            // its lease must not work on for the time of one more round trip.
            if self.is_overdue() {
                break;
            }
            match self.beat_once().await {
                Ok(true) => failures = 0,
                Ok(false) => break,
                Err(error) => {
                    failures += 1;
                    self.conn = None;
                    warn!(process = self.process_id.0, %error, "beat failed");
                }
            }
            if self.is_overdue() {
                break;
            }
        }
        warn!(
            process = self.process_id.0,
            "process lease lost: work must stop, then register anew"
        );
        standing.send_replace(Standing::Lost);
    }

    /// Beats in step with nobody else; after a failure sooner, and never past the lease's end.
    fn pause(&self, failures: u32) -> Duration {
        let mut rng = rand::rng();
        let every = self.options.every;
        let pause = match failures {
            0 => every.mul_f64(rng.random_range(0.9..=1.1)),
            n => Backoff::new(every / 16, every).delay(n, &mut rng),
        };
        pause.min(self.good_until.saturating_duration_since(Instant::now()))
    }

    fn is_overdue(&self) -> bool {
        Instant::now() >= self.good_until
    }

    async fn beat_once(&mut self) -> Result<bool> {
        let sent = Instant::now();
        let left = self.good_until.saturating_duration_since(sent);
        let answer = tokio::time::timeout(left, async {
            let conn = match &mut self.conn {
                Some(conn) => conn,
                empty => empty.insert(connect(&self.options.pool).await?),
            };
            process::beat(conn, self.process_id).await
        });
        match answer.await {
            Ok(Ok(true)) => {
                self.good_until = sent + self.options.process.lease;
                Ok(true)
            }
            Ok(other) => other,
            Err(_) => Err(Error::Database(certmill_pg::Error::Unavailable(
                "no answer to a beat within the lease".to_owned(),
            ))),
        }
    }

    async fn resign(&mut self) -> u64 {
        let work = async {
            let conn = match &mut self.conn {
                Some(conn) => conn,
                empty => empty.insert(connect(&self.options.pool).await?),
            };
            process::resign(conn, self.process_id).await
        };
        match tokio::time::timeout(RESIGN_WITHIN, work).await {
            Ok(Ok(released)) => {
                info!(process = self.process_id.0, released, "process resigned");
                released
            }
            Ok(Err(error)) => {
                warn!(process = self.process_id.0, %error, "resigning failed; the lease runs out");
                0
            }
            Err(_) => 0,
        }
    }
}
