//! The loop of a process that wants to lead.
//!
//! Invariant: it ends only when it is asked to; losing a term or the database means to try again.
//! The work of a term is dropped when the term ends.

use std::future::Future;
use std::time::{Duration, Instant};

use certmill_pg::Pool;
use certmill_tasks::{JitterPercent, Shutdown};
use rand::RngExt;
use tracing::{info, warn};
use uuid::Uuid;

use crate::leader::{self, Candidate, Term};

/// How long resigning may take at the shutdown.
const RESIGN_WITHIN: Duration = Duration::from_secs(1);

/// With its jitter, and the statement, less than a second.
const TRY_AT_LEAST_EVERY: Duration = Duration::from_millis(850);

/// How to campaign.
#[derive(Debug, Clone)]
pub struct CampaignOptions {
    /// Who wants to lead.
    pub candidate: Candidate,
    /// How often a term is renewed: well under half a lease.
    pub renew_every: Duration,
    /// How often a standby tries.
    pub poll_every: Duration,
}

impl CampaignOptions {
    /// A candidate with a random name; renewals at 27 % of the lease, tries at 17 % of it, or so
    /// often that the next term begins within a second after a resignation.
    #[must_use]
    pub fn new(name: impl Into<String>, label: impl Into<String>, lease: Duration) -> Self {
        let candidate = Candidate {
            name: name.into(),
            holder: Uuid::new_v4(),
            label: label.into(),
            lease,
        };
        Self {
            candidate,
            renew_every: lease.mul_f64(0.27),
            poll_every: lease.mul_f64(0.17).min(TRY_AT_LEAST_EVERY),
        }
    }
}

/// Tries to lead until the shutdown; while a term is held, runs `on_term` and drops it when the
/// term ends. If `on_term` ends by itself the term is kept, idle. Resigns within 1 s at the end.
pub async fn campaign<W, F>(
    pool: &Pool,
    options: CampaignOptions,
    shutdown: Shutdown,
    mut on_term: W,
) where
    W: FnMut(Term) -> F,
    F: Future<Output = ()>,
{
    let CampaignOptions {
        candidate,
        renew_every,
        poll_every,
    } = options;
    while !shutdown.is_requested() {
        match shutdown.cut_short(leader::acquire(pool, &candidate)).await {
            Some(Ok(Some(term))) => {
                info!(leadership = %candidate.name, epoch = term.epoch(), "term begins");
                lead(pool, &term, renew_every, &shutdown, on_term(term.clone())).await;
                info!(leadership = %candidate.name, epoch = term.epoch(), "term ended");
            }
            Some(Ok(None)) | None => {}
            Some(Err(error)) => warn!(leadership = %candidate.name, %error, "cannot campaign"),
        }
        shutdown
            .cut_short(tokio::time::sleep(jittered(poll_every)))
            .await;
    }
}

async fn lead<F: Future<Output = ()>>(
    pool: &Pool,
    term: &Term,
    renew_every: Duration,
    shutdown: &Shutdown,
    work: F,
) {
    let work = async {
        work.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = work => {}
        () = renew_until_lost(pool, term, renew_every) => {}
        () = term.ended() => {}
        () = shutdown.requested() => {}
    }
    // A term that was lost is resigned too: the fence makes that harmless, and a term that only
    // ran out by our own clock is free for the next one at once.
    match tokio::time::timeout(RESIGN_WITHIN, leader::resign(pool, term)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => warn!(%error, "resigning failed; the lease runs out"),
        Err(_) => warn!("resigning took too long; the lease runs out"),
    }
}

async fn renew_until_lost(pool: &Pool, term: &Term, every: Duration) {
    loop {
        tokio::time::sleep(jittered(every)).await;
        let left = term.held_until().saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, leader::renew(pool, term)).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) | Err(_) => return,
            Ok(Err(error)) => {
                warn!(epoch = term.epoch(), %error, "renewal failed");
                tokio::time::sleep(every / 4).await;
            }
        }
    }
}

fn jittered(period: Duration) -> Duration {
    let spread = f64::from(JitterPercent::default().percent()) / 100.0;
    period.mul_f64(rand::rng().random_range(1.0 - spread..=1.0 + spread))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standby_tries_within_a_second_whatever_the_lease() {
        for lease_s in [1, 15, 3_600] {
            let options = CampaignOptions::new("l", "p", Duration::from_secs(lease_s));
            let longest = (0..100).map(|_| jittered(options.poll_every)).max();
            assert!(
                longest < Some(Duration::from_secs(1)),
                "{lease_s}: {longest:?}"
            );
        }
    }
}
