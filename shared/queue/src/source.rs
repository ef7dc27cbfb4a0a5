//! Where a worker's next job comes from: claims run ahead of the slots, by the pace of the jobs.
//!
//! Invariant: no claim is begun after the shutdown was asked for, one that is under way then is waited
//! for, and none holds more than runs at once and what would start within moments. What was claimed and
//! not begun is freed when the process resigns, or earlier if it waits too long.

use std::time::{Duration, Instant};

use certmill_pg::Pool;
use certmill_tasks::{Backoff, Shutdown};
use rand::RngExt;
use tracing::warn;

use crate::ahead::{Ahead, STALE_AFTER, Waiting};
use crate::lane::{self, LaneRow};
use crate::looker::Looker;
use crate::pace::Pace;
use crate::release::release;
use crate::{AtWork, ClaimRequest, Hint, ProcessId, Wake};

/// Most jobs in one claim.
const MOST_CLAIMED: usize = 500;
/// Least time between claims that wait for the end of jobs of full lanes.
const FULL_GAP: Duration = Duration::from_millis(5);
/// While a process that ends with the work has none: how often it looks whether it may end.
const LAST_LOOKS_EVERY: Duration = Duration::from_millis(250);
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
    /// The kinds that this build can run; none = any.
    pub kinds: Option<Vec<String>>,
    /// After this long a handler counts as hung: a little more than the handlers' time-out.
    pub deadline: Duration,
    /// The hints.
    pub wake: Wake,
    /// How often to look without hints; half as often while they arrive.
    pub poll: Duration,
    /// Counts what was claimed; the finisher's, see [`crate::Finisher::at_work`].
    pub at_work: AtWork,
    /// End when nothing is due in the lanes and nothing runs here.
    pub until_empty: bool,
}

impl SourceOptions {
    pub(crate) fn request<'a>(&'a self, queue: &'a str, limit: usize) -> ClaimRequest<'a> {
        ClaimRequest {
            queue,
            process_id: self.process_id,
            limit: u16::try_from(limit).unwrap_or(u16::MAX),
            deadline: self.deadline,
            kinds: self.kinds.as_deref(),
            token: Some(rand::random()),
        }
    }

    pub(crate) fn is_meant(&self, lane: &LaneRow) -> bool {
        (self.holds_key || !lane.needs_key)
            && lane.paused_at.is_none()
            && lane::matches(&self.patterns, &lane.name)
    }
}

/// The way from the lanes to the slots.
#[derive(Debug)]
pub struct JobSource {
    pub(crate) options: SourceOptions,
    looker: Looker,
    pace: Pace,
    failures: u32,
}

impl JobSource {
    /// A source that has not looked yet.
    #[must_use]
    pub fn new(options: SourceOptions) -> Self {
        Self {
            options,
            looker: Looker::default(),
            pace: Pace::new(Instant::now()),
            failures: 0,
        }
    }

    /// Claims until the shutdown, or until nothing is left where that was asked for.
    pub(crate) async fn run(mut self, concurrency: usize, ahead: Ahead, shutdown: Shutdown) {
        self.claim_on(concurrency, &ahead, &shutdown).await;
        ahead.close();
    }

    async fn claim_on(&mut self, concurrency: usize, ahead: &Ahead, shutdown: &Shutdown) {
        while let Some(want) = shutdown.cut_short(self.room(concurrency, ahead)).await {
            let mut claimed = Vec::with_capacity(want);
            // Never cut short: a claim that commits after its process has resigned would leave jobs to
            // the rescue, which holds it against them.
            let looked = self
                .looker
                .claim(&self.options, want, shutdown, &mut claimed)
                .await;
            let came = !claimed.is_empty();
            if came {
                let (at_work, since) = (&self.options.at_work, Instant::now());
                ahead.extend(claimed.into_iter().map(|job| Waiting {
                    job,
                    counted: at_work.claimed(),
                    since,
                }));
            }
            if let Err(error) = looked {
                self.failures += 1;
                warn!(%error, "claiming failed");
                let pause = RECONNECT.delay(self.failures, &mut rand::rng());
                shutdown.cut_short(tokio::time::sleep(pause)).await;
                continue;
            }
            self.failures = 0;
            if came {
                continue;
            }
            if self.is_over().await {
                return;
            }
            shutdown.cut_short(self.wait()).await;
        }
    }

    /// Waits until a claim is worth its while; answers how many jobs it may bring.
    async fn room(&mut self, concurrency: usize, ahead: &Ahead) -> usize {
        let at_work = self.options.at_work.clone();
        loop {
            self.pace.note(at_work.ended(), Instant::now());
            let most = concurrency.max(1) + self.pace.ahead(concurrency);
            let least = self.pace.worthwhile().min(most.div_ceil(2));
            let held = at_work.held();
            if held + least <= most {
                return (most - held).min(MOST_CLAIMED);
            }
            let fallen = at_work.at_most(most - least);
            if tokio::time::timeout(STALE_AFTER, fallen).await.is_err() {
                self.give_back(ahead.stale()).await;
            }
        }
    }

    /// Jobs that were claimed ahead of others which then took long: somebody else may have a slot.
    async fn give_back(&self, stale: Vec<Waiting>) {
        if stale.is_empty() {
            return;
        }
        let leases: Vec<_> = stale.iter().map(|one| one.job.lease).collect();
        if let Err(error) = release(&self.options.pool, &leases).await {
            // Their deadline hands them out again.
            warn!(jobs = leases.len(), %error, "jobs that wait for a slot were not given back");
        }
    }

    /// Whether this process ends with the work, and there is none.
    async fn is_over(&mut self) -> bool {
        self.options.until_empty
            && !self.looker.is_in_doubt()
            && self.options.at_work.held() == 0
            && matches!(self.looker.is_empty(&self.options).await, Ok(true))
    }

    /// Until a hint, the next due instant, the end of a job that others wait for, or the poll.
    async fn wait(&mut self) {
        let poll = match self.options.wake.is_connected() {
            true => self.options.poll * 2,
            false => self.options.poll,
        };
        let mut poll = poll.mul_f64(rand::rng().random_range(0.8..=1.2));
        if self.options.until_empty {
            poll = poll.min(LAST_LOOKS_EVERY);
        }
        let pause = self.looker.pause(poll);
        let at_work = self.options.at_work.clone();
        let ended = async {
            match at_work.held() {
                held @ 1.. if self.looker.waits_for_an_end() => {
                    tokio::time::sleep(FULL_GAP).await;
                    at_work.at_most(held - 1).await;
                }
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            hint = self.options.wake.woken() => match hint {
                Hint::Lanes(hinted) => self.looker.expect_work_in(hinted),
                Hint::Anywhere => self.looker.look_everywhere(),
            },
            () = ended => self.looker.expect_room(),
            () = tokio::time::sleep(pause) => self.looker.look_everywhere(),
        }
    }
}
