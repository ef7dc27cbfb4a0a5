//! Where a worker's next job comes from: all lanes of the process, hints and polls.
//!
//! Invariant: a claim happens only while a slot is free, and never after the shutdown was asked
//! for. What was claimed and not handed out is freed when the process resigns.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::num::NonZero;
use std::sync::Arc;
use std::time::{Duration, Instant};

use certmill_pg::Pool;
use certmill_tasks::{Backoff, Shutdown};
use rand::RngExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::warn;

use crate::at_work::Claimed;
use crate::{
    AtWork, ClaimRequest, ClaimedJob, Hint, LowWater, ProcessId, Result, Wake, claim_above,
    claim_suspect, lane, probe_due,
};

/// Most jobs in one claim.
const MOST_CLAIMED: usize = 500;
/// Most jobs in one hand: many enough to share its cost, few enough to spread over all cores.
const MOST_IN_HAND: usize = 16;
/// Lanes come and go with issuers; their rows are read again after this long.
const LANES_EVERY: Duration = Duration::from_secs(5);
/// While there is work, all lanes are looked at this often; in between hints say where to claim.
const PROBE_EVERY: Duration = Duration::from_millis(250);
/// Between tries to reach the database.
const RECONNECT: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(5));

/// What a worker claims from and how it waits.
#[derive(Debug, Clone)]
pub struct SourceOptions {
    /// Where the jobs are.
    pub pool: Pool,
    /// The claiming process.
    pub process_id: ProcessId,
    /// Lanes by name or glob; none = all.
    pub patterns: Vec<String>,
    /// Whether this process holds a CA key; without one, lanes that need it are left alone.
    pub holds_key: bool,
    /// After this long a handler counts as hung: a little more than the handlers' time-out.
    pub deadline: Duration,
    /// The hints.
    pub wake: Wake,
    /// How often to look without hints; half as often while they arrive.
    pub poll: Duration,
    /// Counts what was claimed; the finisher's, see [`crate::Finisher::at_work`].
    pub at_work: AtWork,
}

/// A claimed job and the slot that it occupies until the ticket is dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) job: ClaimedJob,
    pub(crate) _slot: OwnedSemaphorePermit,
    pub(crate) _counted: Claimed,
}

/// Jobs that run together on one task: what the runtime costs is shared by them.
pub(crate) type Hand = Vec<Ticket>;

/// The way from the lanes to the handlers.
#[derive(Debug)]
pub struct JobSource {
    options: SourceOptions,
    lanes: Vec<String>,
    lanes_read: Option<Instant>,
    hot: Vec<String>,
    suspects: Vec<String>,
    probed: Option<Instant>,
    claimed_since_probe: bool,
    marks: HashMap<String, LowWater>,
    next_at: Option<Instant>,
    buffer: VecDeque<(ClaimedJob, Claimed)>,
    failures: u32,
    cores: usize,
}

impl JobSource {
    /// A source that has not looked yet.
    #[must_use]
    pub fn new(options: SourceOptions) -> Self {
        Self {
            options,
            lanes: Vec::new(),
            lanes_read: None,
            hot: Vec::new(),
            suspects: Vec::new(),
            probed: None,
            claimed_since_probe: false,
            marks: HashMap::new(),
            next_at: None,
            buffer: VecDeque::new(),
            failures: 0,
            cores: std::thread::available_parallelism().map_or(1, NonZero::get),
        }
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.options.pool
    }

    /// The next jobs, once a slot is free and something is due; `None` after the shutdown.
    pub(crate) async fn next(
        &mut self,
        slots: &Arc<Semaphore>,
        concurrency: usize,
        shutdown: &Shutdown,
    ) -> Option<Hand> {
        let slot = shutdown
            .cut_short(slots.clone().acquire_owned())
            .await?
            .ok()?;
        // Jobs end in batches: whoever else ends now gives back a slot before this goes on.
        tokio::task::yield_now().await;
        loop {
            if shutdown.is_requested() {
                return None;
            }
            if !self.buffer.is_empty() {
                return Some(self.hand(slot, slots));
            }
            // Half the slots are filled ahead, so that short jobs do not cost a claim each.
            let want = (slots.available_permits() + 1 + concurrency / 2)
                .clamp(1, concurrency.clamp(1, MOST_CLAIMED));
            match self.fill(want).await {
                Ok(()) => self.failures = 0,
                Err(error) => {
                    self.failures += 1;
                    warn!(%error, "claiming failed");
                    let pause = RECONNECT.delay(self.failures, &mut rand::rng());
                    shutdown.cut_short(tokio::time::sleep(pause)).await?;
                    continue;
                }
            }
            if self.buffer.is_empty() {
                shutdown.cut_short(self.wait()).await?;
            }
        }
    }

    /// Takes from the buffer as many jobs as slots are free, spread over the cores.
    fn hand(&mut self, slot: OwnedSemaphorePermit, slots: &Arc<Semaphore>) -> Hand {
        let can_run = self.buffer.len().min(slots.available_permits() + 1);
        let most = can_run.div_ceil(self.cores).clamp(1, MOST_IN_HAND);
        let mut hand = Vec::with_capacity(most);
        let mut free = Some(slot);
        while hand.len() < most
            && let Some(slot) = free
                .take()
                .or_else(|| slots.clone().try_acquire_owned().ok())
            && let Some((job, counted)) = self.buffer.pop_front()
        {
            hand.push(Ticket {
                job,
                _slot: slot,
                _counted: counted,
            });
        }
        hand
    }

    /// Looks and claims once; leaves the buffer empty if nothing is due.
    async fn fill(&mut self, want: usize) -> Result<()> {
        self.read_lanes().await?;
        if self.until_probe().is_zero() {
            self.probe().await?;
        }
        for queue in std::mem::take(&mut self.suspects) {
            let claimed = claim_suspect(&self.options.pool, &self.request(&queue, 1)).await?;
            self.take_in(claimed);
        }
        let hot = std::mem::take(&mut self.hot);
        let lanes = hot.len();
        self.claimed_since_probe |= lanes > 0;
        for (nth, queue) in hot.into_iter().enumerate() {
            let left = want.saturating_sub(self.buffer.len());
            if left == 0 {
                // Its turn comes first next time.
                self.hot.insert(0, queue);
                continue;
            }
            // The lanes share what is free; what one leaves goes to the next.
            let share = left.div_ceil(lanes - nth);
            let marks = self.marks.entry(queue.clone()).or_default().clone();
            let request = self.request(&queue, share);
            let claimed = claim_above(&self.options.pool, &request, &marks).await?;
            if let Some(marks) = self.marks.get_mut(&queue) {
                marks.note(&claimed);
            }
            if claimed.len() == share {
                self.hot.push(queue);
            }
            self.take_in(claimed);
        }
        Ok(())
    }

    fn take_in(&mut self, claimed: impl IntoIterator<Item = ClaimedJob>) {
        let at_work = &self.options.at_work;
        let counted = claimed.into_iter().map(|job| (job, at_work.claimed()));
        self.buffer.extend(counted);
    }

    fn request<'a>(&self, queue: &'a str, limit: usize) -> ClaimRequest<'a> {
        ClaimRequest {
            queue,
            process_id: self.options.process_id,
            limit: u16::try_from(limit).unwrap_or(u16::MAX),
            deadline: self.options.deadline,
        }
    }

    async fn read_lanes(&mut self) -> Result<()> {
        if self.lanes_read.is_some_and(|at| at.elapsed() < LANES_EVERY) {
            return Ok(());
        }
        let SourceOptions {
            pool,
            patterns,
            holds_key,
            ..
        } = &self.options;
        let lanes = lane::lanes(pool).await?;
        self.lanes = lanes
            .into_iter()
            .filter(|l| (*holds_key || !l.needs_key) && lane::matches(patterns, &l.name))
            .map(|l| l.name)
            .collect();
        self.marks.retain(|name, _| self.lanes.contains(name));
        self.lanes_read = Some(Instant::now());
        Ok(())
    }

    async fn probe(&mut self) -> Result<()> {
        let due = probe_due(&self.options.pool, &self.lanes).await?;
        self.probed = Some(Instant::now());
        self.claimed_since_probe = false;
        // When the rest of a lane with due jobs comes is found out after those are claimed.
        let waiting = due.iter().filter(|lane| !lane.ready);
        let next_in = waiting.filter_map(|lane| lane.next_in).min();
        self.next_at = next_in.map(|wait| Instant::now() + wait);
        self.suspects = due
            .iter()
            .filter(|l| l.suspect)
            .map(|l| l.queue.clone())
            .collect();
        for lane in due.into_iter().filter(|lane| lane.ready) {
            if !self.hot.contains(&lane.queue) {
                // It was quiet: what came since may lie below the mark.
                self.marks.remove(&lane.queue);
                self.hot.push(lane.queue);
            }
        }
        Ok(())
    }

    /// How long the last look at all lanes is still good for.
    fn until_probe(&self) -> Duration {
        let age = self.probed.map(|at| at.elapsed());
        age.map_or(Duration::ZERO, |age| PROBE_EVERY.saturating_sub(age))
    }

    /// Until a hint, the next due instant or the poll, whichever comes first.
    async fn wait(&mut self) {
        let poll = match self.options.wake.is_connected() {
            true => self.options.poll * 2,
            false => self.options.poll,
        };
        let poll = poll.mul_f64(rand::rng().random_range(0.8..=1.2));
        // A due job that another process is about to take would make this a busy loop.
        let next = self.next_at.map_or(poll, |at| {
            let wait = at.saturating_duration_since(Instant::now());
            wait.max(Duration::from_millis(5))
        });
        let mut pause = poll.min(next);
        if self.claimed_since_probe {
            // What else those lanes hold, and when it is due, is not known yet.
            pause = pause.min(self.until_probe());
        }
        match tokio::time::timeout(pause, self.options.wake.woken()).await {
            Ok(Hint::Lanes(hinted)) => self.expect_work_in(hinted),
            Ok(Hint::Anywhere) | Err(_) => self.probed = None,
        }
    }

    fn expect_work_in(&mut self, hinted: BTreeSet<String>) {
        let ours = |lane: &String| self.lanes.contains(lane) && !self.hot.contains(lane);
        for lane in hinted.into_iter().filter(ours).collect::<Vec<_>>() {
            if let Some(marks) = self.marks.get_mut(&lane) {
                marks.look_back();
            }
            self.hot.push(lane);
        }
    }
}
