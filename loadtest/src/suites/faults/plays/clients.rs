//! Clients behave badly.
//!
//! Invariant: what they leave behind is asked for under names of their own.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use certmill_wire::client::Error;

use crate::suites::faults::client::{PROFILE, Patience, client};
use crate::suites::faults::stage::{APIS, Stage};
use crate::suites::issuance::workload;

/// At once, so that the pool of connections is under pressure meanwhile.
const AT_ONCE: usize = 16;

/// Calls are given up after a few milliseconds, so that the server drops what it was doing: at a
/// wait for a connection, in the middle of a transaction, before its commit.
pub async fn impatient(stage: &mut Stage) -> Result<u64> {
    let (began, mut given_up, mut asked) = (Instant::now(), 0, 0);
    let mut doors = Vec::new();
    for name in APIS {
        doors.push(stage.site.door(name).await?);
    }
    while began.elapsed() < stage.length {
        let (mut clients, mut requests) = (Vec::new(), Vec::new());
        for nth in 0..AT_ONCE {
            asked += 1;
            let patience = Patience {
                try_timeout: Duration::from_millis(2 + nth as u64 * 2),
                tries: 1,
            };
            clients.push(client(&doors[nth % doors.len()], patience)?);
            let mut request = workload::request(format!("n{asked}.impatient.example.com"))?;
            request.profile = Some(PROFILE.to_owned());
            requests.push(request);
        }
        let calls = clients.iter().zip(&requests);
        let calls = calls.map(|(client, request)| client.request_certificate(request));
        let answers = futures::future::join_all(calls).await;
        let late = |answer: &Result<_, _>| matches!(answer, Err(Error::Timeout { .. }));
        given_up += answers.iter().filter(|answer| late(answer)).count();
    }
    let got = stage
        .site
        .ledger
        .number("SELECT count(*) FROM certificate WHERE name LIKE '%.impatient.example.com'");
    let got = usize::try_from(got.await?).context("a negative count")?;
    // Some must have come through, or nothing was dropped half way.
    ensure!(got > 0 && got < asked, "{got} of {asked} came through");
    Ok(given_up as u64)
}
