//! Hints that something was enqueued, and who listens to them.
//!
//! Invariant: a hint may be lost, doubled or late without harm, since every listener polls as
//! well. Hints go out on a connection of their own after the commit: NOTIFY inside the enqueuing
//! transaction makes all commits wait in one line.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use certmill_pg::Pool;
use certmill_tasks::{Backoff, Shutdown, Tasks};
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{ConnectOptions, PgConnection};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::{Notify, broadcast};
use tracing::{debug, warn};

/// The channel of NOTIFY.
const CHANNEL: &str = "certmill_job";
/// What a hint names in place of a lane when running jobs are to stop.
pub(crate) const STOPS: &str = "!stops";
/// Least time between two hints.
const GAP: Duration = Duration::from_millis(5);
/// Least time between two hints while enqueues come faster than [`BUSY_PER_SECOND`].
const BUSY_GAP: Duration = Duration::from_millis(50);
/// Above this rate listeners find work without a hint for each.
const BUSY_PER_SECOND: f64 = 200.0;
/// Hints that a listener may leave unheard; with more it looks at all lanes.
const UNHEARD_MOST: usize = 64;
/// Between tries to reach the database.
const RECONNECT: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));

#[derive(Debug, Default)]
struct Outbox {
    dirty: Mutex<BTreeSet<String>>,
    hints: AtomicU32,
    filled: Notify,
}

/// Sends hints; cheap to clone.
#[derive(Debug, Clone)]
pub struct Hinter {
    outbox: Option<Arc<Outbox>>,
}

impl Hinter {
    /// Starts the sender, with a connection of its own.
    #[must_use]
    pub fn start(tasks: &Tasks, pool: Pool) -> Self {
        let outbox = Arc::new(Outbox::default());
        let (shutdown, inbox) = (tasks.shutdown_token(), outbox.clone());
        tasks.spawn("hinter", async move {
            shutdown.cut_short(send_hints(inbox, pool)).await;
        });
        Self {
            outbox: Some(outbox),
        }
    }

    /// One that sends nothing: whoever waits finds the work by polling.
    #[must_use]
    pub fn none() -> Self {
        Self { outbox: None }
    }

    /// Says that the lane has new work. Call it after the commit, never before.
    pub fn hint(&self, queue: &str) {
        let Some(outbox) = &self.outbox else { return };
        outbox.hints.fetch_add(1, Ordering::Relaxed);
        let mut dirty = outbox.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        if !dirty.contains(queue) {
            dirty.insert(queue.to_owned());
        }
        drop(dirty);
        outbox.filled.notify_one();
    }

    /// Says that running jobs were asked to stop. Call it after the commit, never before.
    pub fn hint_stops(&self) {
        self.hint(STOPS);
    }
}

async fn send_hints(outbox: Arc<Outbox>, pool: Pool) {
    let mut conn: Option<PgConnection> = None;
    let mut last = Instant::now();
    loop {
        outbox.filled.notified().await;
        let queues: Vec<String> = {
            let mut dirty = outbox.dirty.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *dirty).into_iter().collect()
        };
        if !queues.is_empty()
            && let Err(error) = send(&mut conn, &pool, &queues).await
        {
            debug!(%error, "hint not sent; polling finds the work");
            conn = None;
        }
        let hints = outbox.hints.swap(0, Ordering::Relaxed);
        let per_second = f64::from(hints) / last.elapsed().as_secs_f64().max(0.005);
        last = Instant::now();
        tokio::time::sleep(if per_second > BUSY_PER_SECOND {
            BUSY_GAP
        } else {
            GAP
        })
        .await;
    }
}

async fn send(conn: &mut Option<PgConnection>, pool: &Pool, queues: &[String]) -> sqlx::Result<()> {
    let conn = match conn {
        Some(conn) => conn,
        empty => empty.insert(pool.connect_options().connect().await?),
    };
    sqlx::query("SELECT pg_notify($1, q) FROM unnest($2::text[]) q")
        .bind(CHANNEL)
        .bind(queues)
        .execute(conn)
        .await?;
    Ok(())
}

/// What a hint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// These lanes have new work.
    Lanes(BTreeSet<String>),
    /// Some may have: look at all.
    Anywhere,
}

/// Wakes whoever waits for work; each clone hears every hint.
#[derive(Debug)]
pub struct Wake {
    sender: broadcast::Sender<Option<Arc<str>>>,
    receiver: broadcast::Receiver<Option<Arc<str>>>,
    connected: Arc<AtomicBool>,
}

impl Clone for Wake {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            receiver: self.sender.subscribe(),
            connected: self.connected.clone(),
        }
    }
}

impl Wake {
    /// Listens for hints of other processes, on a connection of its own (LISTEN cannot pass a
    /// transaction-mode pooler); reconnects, and wakes once after each reconnect.
    #[must_use]
    pub fn listen(tasks: &Tasks, pool: Pool) -> Self {
        let wake = Self::polling_only();
        let (shutdown, heard) = (tasks.shutdown_token(), wake.clone());
        tasks.spawn("wake", async move {
            listen_for_ever(&heard, pool, &shutdown).await;
        });
        wake
    }

    /// One that hears of nothing but [`Wake::wake`].
    #[must_use]
    pub fn polling_only() -> Self {
        let (sender, receiver) = broadcast::channel(UNHEARD_MOST);
        Self {
            sender,
            receiver,
            connected: Arc::default(),
        }
    }

    /// Wakes all clones; they look everywhere.
    pub fn wake(&self) {
        self.tell(None);
    }

    fn tell(&self, lane: Option<&str>) {
        // Nobody listens while all clones but the listener's are gone.
        self.sender.send(lane.map(Arc::from)).ok();
    }

    /// Waits for a hint; at once if one came since this clone last waited. Hints that came together
    /// are one.
    pub async fn woken(&mut self) -> Hint {
        let mut lanes = BTreeSet::new();
        let mut heard = self.receiver.recv().await.ok().flatten();
        loop {
            let Some(lane) = heard else {
                // Whatever else is there is told by a look at all lanes.
                self.receiver = self.receiver.resubscribe();
                return Hint::Anywhere;
            };
            lanes.insert(lane.to_string());
            heard = match self.receiver.try_recv() {
                Ok(next) => next,
                Err(TryRecvError::Empty) => return Hint::Lanes(lanes),
                Err(TryRecvError::Lagged(_) | TryRecvError::Closed) => None,
            };
        }
    }

    /// Whether hints arrive at present; if not, poll more often.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }
}

async fn listen_for_ever(wake: &Wake, pool: Pool, shutdown: &Shutdown) {
    let mut failures = 0;
    while !shutdown.is_requested() {
        let heard = shutdown
            .cut_short(listen_once(wake, &pool, &mut failures))
            .await;
        wake.connected.store(false, Ordering::Relaxed);
        // Whatever was hinted meanwhile is lost: look once.
        wake.wake();
        if let Some(Err(error)) = heard {
            warn!(%error, "hints are not heard for now; polling goes on");
        }
        failures += 1;
        let pause = RECONNECT.delay(failures, &mut rand::rng());
        shutdown.cut_short(tokio::time::sleep(pause)).await;
    }
}

async fn listen_once(wake: &Wake, pool: &Pool, failures: &mut u32) -> sqlx::Result<()> {
    let own = PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with((*pool.connect_options()).clone());
    let mut listener = PgListener::connect_with(&own).await?;
    listener.listen(CHANNEL).await?;
    *failures = 0;
    wake.connected.store(true, Ordering::Relaxed);
    wake.wake();
    while let Some(hint) = listener.try_recv().await? {
        wake.tell(Some(hint.payload()));
    }
    Ok(())
}
