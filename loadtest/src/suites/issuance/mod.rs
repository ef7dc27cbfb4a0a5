//! The suite `issuance`: certificates through the whole path, beside what one core can sign.
//!
//! Invariant: a round measures the limit and every form of load in turn; a load counts when all its
//! versions are stored, and fails when one is missing.

mod around;
pub mod client;
mod latency;
mod limit;
mod round;
pub mod workload;

use anyhow::Result;

use crate::figure::Figure;
use crate::registry::Extent;
use crate::rig::Rig;
use crate::say;
use round::Rounds;

/// What the page says of it.
pub const ABOUT: &str = "\
Certificates through the whole path: 8 clients, each with one kept TLS 1.3 connection (HTTP/1.1), ask the API \
with a CSR each; the clock stops when all versions are stored. *Limit* is a loop on one core that \
parses and verifies the same CSRs and signs by the same code, without network and database. Keys and \
requests are made before the clock starts, and the tables hold the certificates of a load that does not count. The rate limit of the client's key is raised for the run \
(`api.rate_per_s`), nothing else differs from the defaults. CPU is user and system time by process; `client` \
is the load test itself.";

/// Far above what the clients reach, so that the limit of one key is not what is measured.
const SETTINGS: [(&str, &str); 2] = [("api.rate_per_s", "1000000"), ("api.burst", "1000000")];

/// Runs the suite.
///
/// # Errors
/// A process fails, or a certificate that was asked for is not issued.
pub async fn run(extent: Extent) -> Result<Vec<Figure>> {
    let mut rig = Rig::start(&SETTINGS).await?;
    rig.launch("scheduler-1", "scheduler").await?;
    rig.launch("worker-1", "worker").await?;
    rig.launch("api-1", "api").await?;
    let door = rig.door().await?;
    door.open().await?;
    let mut rounds = Rounds::default();
    let idle = around::idle(&rig, extent).await?;
    say::line("warming up");
    Rounds::warm_up(&rig, &door, extent).await?;
    rig.database.forget_statements().await?;
    for nth in 1..=extent.rounds {
        say::line(&format!("round {nth} of {}", extent.rounds));
        rounds.add(&mut rig, &door, extent, nth).await?;
    }
    if extent.statements {
        for line in rig.database.dearest_statements().await? {
            say::line(&line);
        }
    }
    let mut figures = rounds.figures();
    figures.extend(around::figures(&rig, idle)?);
    Ok(figures)
}
