//! The suite `replicas`: how soon the next leader leads, and what a sweep costs.
//!
//! Invariant: a renewal counts when its version is stored; a hand-over when the database shows the
//! next term.

mod all_due;
mod hand_over;
pub mod rows;
pub mod sweep;

use anyhow::Result;

use crate::figure::Figure;
use crate::registry::Extent;

/// What the page says of it.
pub const ABOUT: &str = "\
Two schedulers; the leader is asked to end (at the default lease of 15 s), or killed (at a lease \
of 3 s), ten times a round, each time at a random moment; the clock runs from the signal until the \
database shows the next term. *Sweep*: 2,000 certificates of the local CA fall due at once, with \
one worker process and with two; the clock of the database runs from the claim of the sweep's job \
to the end of the last renewal, and the client's from the moment at which they are due (which adds \
the wait for the slot of 1 s). Reads are one client's list of 50 certificates, one after the \
other, meanwhile and before. *A million*: the table holds 1,000,000 certificates, of which none, \
or 10,000, are due; the figure is how long the sweep's job took; the lane of the renewals is \
paused. *All due*: all of them are due at once, and the jobs that the sweep enqueues are completed \
at once by a worker whose jobs do nothing; once a run, from the start of the scheduler to the end \
of the last job.";

/// Runs the suite.
///
/// # Errors
/// A process fails, nobody leads, or a renewal is missing.
pub async fn run(extent: Extent) -> Result<Vec<Figure>> {
    let mut figures = hand_over::measure(extent).await?;
    figures.extend(sweep::measure(extent).await?);
    figures.extend(all_due::measure(extent).await?);
    Ok(figures)
}
