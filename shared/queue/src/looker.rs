//! Which lanes of a process have something due, and claiming from them.
//!
//! Invariant: lanes that are paused, or that need a key which is not here, are not looked at; what a
//! pause or a limit forbids since the lanes were read is forbidden by the claim itself.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use certmill_tasks::Shutdown;
use tracing::info;

use crate::claim::{LimitedClaim, claim_limited};
use crate::lane::{self, LaneRow};
use crate::probe::DueLane;
use crate::release::release_claim;
use crate::source::SourceOptions;
use crate::{ClaimRequest, ClaimedJob, LowWater, Result, claim_above, claim_suspect, probe_due};

/// Lanes come and go with issuers, pauses and limits change; their rows are read again after this long.
const LANES_EVERY: Duration = Duration::from_secs(5);
/// Lost claims are looked for this often ..
const TAKE_BACK_EVERY: Duration = Duration::from_secs(1);
/// .. for this long: more than a statement may take, and than a connection may hold back its text.
const MAY_BE_UNDER_WAY: Duration = Duration::from_secs(60);
/// While there is work, all lanes are looked at this often; in between hints say where to claim.
const PROBE_EVERY: Duration = Duration::from_millis(250);

/// What is known of the lanes.
#[derive(Debug, Default)]
pub(crate) struct Looker {
    lanes: Vec<LaneRow>,
    paused_kinds: Vec<String>,
    lanes_read: Option<Instant>,
    hot: Vec<String>,
    suspects: Vec<String>,
    full: BTreeSet<String>,
    closed: HashMap<String, Instant>,
    probed: Option<Instant>,
    claimed_since_probe: bool,
    marks: HashMap<String, LowWater>,
    next_at: Option<Instant>,
    lost_claims: Vec<LostClaim>,
}

/// A claim that was sent and not answered: what it brought is ours, and in nobody's hands.
#[derive(Debug)]
struct LostClaim {
    queue: String,
    token: i64,
    since: Instant,
    looked: Option<Instant>,
}

impl Looker {
    /// Looks where that is due, and claims up to `want` jobs into `jobs`; none if nothing is due, and no
    /// more once the shutdown was asked for. What was claimed before an error is there all the same.
    pub(crate) async fn claim(
        &mut self,
        options: &SourceOptions,
        want: usize,
        shutdown: &Shutdown,
        jobs: &mut Vec<ClaimedJob>,
    ) -> Result<()> {
        self.take_back(options).await?;
        self.read_lanes(options).await?;
        if self.until_probe().is_zero() {
            self.probe(options).await?;
        }
        for queue in std::mem::take(&mut self.suspects) {
            if shutdown.is_requested() {
                return Ok(());
            }
            let request = options.request(&queue, 1);
            let claimed = claim_suspect(&options.pool, &request).await;
            jobs.extend(self.unless_lost(&request, claimed)?);
        }
        self.expect_what_opened();
        let hot = std::mem::take(&mut self.hot);
        let lanes = hot.len();
        self.claimed_since_probe |= lanes > 0;
        for (nth, queue) in hot.into_iter().enumerate() {
            let left = want.saturating_sub(jobs.len());
            if left == 0 || shutdown.is_requested() {
                // Its turn comes first next time.
                self.hot.insert(0, queue);
                continue;
            }
            // The lanes share what is free; what one leaves goes to the next.
            let share = left.div_ceil(lanes - nth);
            jobs.extend(self.claim_from(options, queue, share).await?);
        }
        Ok(())
    }

    /// Remembers the claim if its answer may be lost.
    fn unless_lost<T>(&mut self, request: &ClaimRequest<'_>, answer: Result<T>) -> Result<T> {
        if let (Err(_), Some(token)) = (&answer, request.token) {
            self.lost_claims.push(LostClaim {
                queue: request.queue.to_owned(),
                token,
                since: Instant::now(),
                looked: None,
            });
        }
        answer
    }

    /// Gives back what lost claims brought, for as long as they could still be under way.
    async fn take_back(&mut self, options: &SourceOptions) -> Result<()> {
        for lost in &mut self.lost_claims {
            if lost.looked.is_some_and(|at| at.elapsed() < TAKE_BACK_EVERY) {
                continue;
            }
            let back =
                release_claim(&options.pool, &lost.queue, options.process_id, lost.token).await?;
            lost.looked = Some(Instant::now());
            if back > 0 {
                info!(jobs = back, queue = %lost.queue, "the answer to a claim was lost; its jobs wait again");
            }
        }
        self.lost_claims
            .retain(|lost| lost.since.elapsed() < MAY_BE_UNDER_WAY);
        Ok(())
    }

    /// Whether claims were lost that may still bring something.
    pub(crate) fn is_in_doubt(&self) -> bool {
        !self.lost_claims.is_empty()
    }

    async fn claim_from(
        &mut self,
        options: &SourceOptions,
        queue: String,
        share: usize,
    ) -> Result<Vec<ClaimedJob>> {
        let marks = self.marks.entry(queue.clone()).or_default().clone();
        let request = options.request(&queue, share);
        let claimed = if self.is_limited(&queue) {
            let answer = claim_limited(&options.pool, &request, &marks).await;
            let LimitedClaim {
                jobs,
                full,
                opens_in,
            } = self.unless_lost(&request, answer)?;
            if full {
                self.full.insert(queue.clone());
            }
            if let Some(wait) = opens_in {
                self.closed.insert(queue.clone(), Instant::now() + wait);
            }
            jobs
        } else {
            let answer = claim_above(&options.pool, &request, &marks).await;
            self.unless_lost(&request, answer)?
        };
        self.marks.entry(queue.clone()).or_default().note(&claimed);
        if claimed.len() == share {
            self.hot.push(queue);
        }
        Ok(claimed)
    }

    async fn read_lanes(&mut self, options: &SourceOptions) -> Result<()> {
        if self.lanes_read.is_some_and(|at| at.elapsed() < LANES_EVERY) {
            return Ok(());
        }
        let (lanes, paused_kinds) = lane::read_all(&options.pool).await?;
        if paused_kinds != self.paused_kinds {
            // Jobs of a kind that goes on again may lie below every mark.
            self.marks.clear();
            self.paused_kinds = paused_kinds;
        }
        self.lanes = lanes
            .into_iter()
            .filter(|lane| options.is_meant(lane))
            .collect();
        let lanes = &self.lanes;
        let known = |name: &String| lanes.iter().any(|lane| lane.name == *name);
        self.marks.retain(|name, _| known(name));
        self.full.retain(known);
        self.closed.retain(|name, _| known(name));
        self.lanes_read = Some(Instant::now());
        Ok(())
    }

    async fn probe(&mut self, options: &SourceOptions) -> Result<()> {
        let names: Vec<&str> = self.lanes.iter().map(|lane| lane.name.as_str()).collect();
        let due = probe_due(&options.pool, &names, options.kinds.as_deref()).await?;
        self.probed = Some(Instant::now());
        self.claimed_since_probe = false;
        self.full.clear();
        // When the rest of a lane with due jobs comes is found out after those are claimed.
        // A closed lane may give nothing but what was begun.
        let next_in = |lane: &DueLane| match (lane.ready, self.closed.contains_key(&lane.queue)) {
            (_, true) => lane.begun_in.filter(|wait| !wait.is_zero()),
            (false, false) => lane.next_in,
            (true, false) => None,
        };
        let next_in = due.iter().filter_map(next_in).min();
        self.next_at = next_in.map(|wait| Instant::now() + wait);
        self.suspects = due
            .iter()
            .filter(|lane| lane.suspect && !self.is_limited(&lane.queue))
            .map(|lane| lane.queue.clone())
            .collect();
        for lane in due.into_iter().filter(|lane| lane.ready || lane.suspect) {
            let worth_it = lane.ready || self.is_limited(&lane.queue);
            if worth_it && !self.hot.contains(&lane.queue) {
                // It was quiet: what came since may lie below the mark.
                self.marks.remove(&lane.queue);
                self.hot.push(lane.queue);
            }
        }
        Ok(())
    }

    fn is_limited(&self, queue: &str) -> bool {
        let mut lanes = self.lanes.iter();
        lanes.any(|lane| lane.name == queue && lane.max_running.is_some())
    }

    /// How long the last look at all lanes is still good for.
    fn until_probe(&self) -> Duration {
        let age = self.probed.map(|at| at.elapsed());
        age.map_or(Duration::ZERO, |age| PROBE_EVERY.saturating_sub(age))
    }

    /// How long nothing can be due, but for hints; at most `poll`.
    pub(crate) fn pause(&self, poll: Duration) -> Duration {
        // A due job that another process is about to take would make this a busy loop.
        let next = self
            .next_at
            .into_iter()
            .chain(self.closed.values().copied());
        let next = next.min().map_or(poll, |at| {
            let wait = at.saturating_duration_since(Instant::now());
            wait.max(Duration::from_millis(5))
        });
        let pause = poll.min(next);
        if self.is_in_doubt() || self.claimed_since_probe && self.full.is_empty() {
            // What else those lanes hold, and when it is due, is not known yet.
            return pause.min(self.until_probe());
        }
        pause
    }

    /// Whether something waits for the end of a running job of its lane.
    pub(crate) fn waits_for_an_end(&self) -> bool {
        !self.full.is_empty()
    }

    /// Claims from lanes whose closing is over.
    fn expect_what_opened(&mut self) {
        let now = Instant::now();
        let open = self.closed.extract_if(|_, at| *at <= now);
        for (lane, _) in open.collect::<Vec<_>>() {
            // What was given back lies below the mark.
            self.marks.remove(&lane);
            self.warm(lane);
        }
    }

    /// Claims from the lanes that were full next time: a job has ended.
    pub(crate) fn expect_room(&mut self) {
        for lane in std::mem::take(&mut self.full) {
            self.warm(lane);
        }
    }

    /// Claims from this lane next time.
    fn warm(&mut self, lane: String) {
        if !self.hot.contains(&lane) {
            self.hot.push(lane);
        }
    }

    /// Looks at all lanes next time.
    pub(crate) fn look_everywhere(&mut self) {
        self.probed = None;
    }

    /// Claims from these lanes next time.
    pub(crate) fn expect_work_in(&mut self, hinted: BTreeSet<String>) {
        for lane in hinted {
            if self.hot.contains(&lane) || !self.lanes.iter().any(|known| known.name == lane) {
                continue;
            }
            if let Some(marks) = self.marks.get_mut(&lane) {
                marks.look_back();
            }
            self.hot.push(lane);
        }
    }

    /// Whether all lanes were looked at just now and nothing is due in them.
    pub(crate) async fn is_empty(&mut self, options: &SourceOptions) -> Result<bool> {
        self.lanes_read = None;
        self.read_lanes(options).await?;
        self.probe(options).await?;
        Ok(self.hot.is_empty() && self.suspects.is_empty())
    }
}
