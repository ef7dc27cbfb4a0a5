//! The suite `budget`: many renewals before a CA that lets few through.
//!
//! Invariant: what was asked, when, and what was refused is read from the CA's own ledger.

mod ledger;
mod rows;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use certmill_coordination::budget::headroom;
use certmill_domain::budget::Scope;
use certmill_rehearsal::{Ca, Limit, Rehearsed};

use crate::figure::{Figure, Wanted};
use crate::registry::Extent;
use crate::rig::Rig;
use crate::say;
use crate::suites::issuance::client::{Sender, send_all};
use crate::suites::issuance::workload;
use ledger::Reading;

/// What the page says of it.
pub const ABOUT: &str = "\
10,000 renewals of an issuer fall due at once whose CA accepts 300 new orders in any 18 seconds, with a tenth and a \
third of them urgent (less than a tenth, less than a third of life is left). The CA is the rehearsal CA: a fake with a \
ledger of its own, in the process of the load test. Beside it stands a second issuer with as many due whose CA \
refuses connections. Two workers, one scheduler. All figures but the forecast are read from the ledger: new orders in the \
fullest window; the share of what 300 in 18 s would allow from the first order to the last; how many orders were made \
while a more urgent one still waited, beyond the 25 in flight. The forecast is the one that `certmill cluster` \
shows when all are enqueued.";

const SETTINGS: [(&str, &str); 3] = [
    ("schedule.renewal_slot_ms", "1000"),
    ("api.rate_per_s", "1000000"),
    ("api.burst", "1000000"),
];
const DUE: usize = 10_000;
const MOST: usize = 300;
const WINDOW: Duration = Duration::from_secs(18);
const LIFETIME: time::Duration = time::Duration::days(6);
const ENQUEUED_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Runs the suite.
///
/// # Errors
/// A process fails, or something is not renewed.
pub async fn run(extent: Extent) -> Result<Vec<Figure>> {
    let mut readings = Vec::new();
    for nth in 1..=extent.rounds {
        let reading = round(extent.share(DUE)).await?;
        say::line(&format!("round {nth}: {reading}"));
        readings.push(reading);
    }
    let column = |of: fn(&Reading) -> f64| readings.iter().map(of).collect::<Vec<_>>();
    let subject = "300 in 18 s, 10,000 due";
    let figures = [
        Figure::of(
            "new orders in the fullest window",
            subject,
            "",
            &column(|r| r.fullest),
        )
        .map(|figure| figure.wanted(Wanted::AtMost(300.0))),
        Figure::of("refused by the CA", subject, "", &column(|r| r.refused))
            .map(|figure| figure.wanted(Wanted::AtMost(0.0))),
        Figure::of(
            "share of the budget that was used",
            subject,
            "",
            &column(|r| r.used),
        )
        .map(|figure| figure.wanted(Wanted::AtLeast(0.95))),
        Figure::of(
            "orders before a more urgent one",
            subject,
            "",
            &column(|r| r.out_of_turn),
        )
        .map(|figure| figure.wanted(Wanted::AtMost(0.0))),
        Figure::of(
            "forecast, of the time that it took",
            subject,
            "",
            &column(|r| r.forecast),
        )
        .map(|figure| figure.wanted(Wanted::AtMost(1.1))),
    ];
    Ok(figures.into_iter().flatten().collect())
}

async fn round(due: usize) -> Result<Reading> {
    let mut rig = Rig::start(&SETTINGS).await?;
    for (name, role) in [
        ("scheduler-1", "scheduler"),
        ("worker-1", "worker"),
        ("worker-2", "worker"),
        ("api-1", "api"),
    ] {
        rig.launch(name, role).await?;
    }
    let limit = Limit {
        scope: Scope::Account,
        most: MOST,
        window: WINDOW,
    };
    let ca = Ca::start(vec![limit]).await?;
    for (name, url, limits) in [
        ("far", ca.url().as_str(), [(limit, 0)].as_slice()),
        ("dead", "http://127.0.0.1:9", &[]),
    ] {
        let issuer = Rehearsed {
            name,
            url,
            limits,
            lifetime: LIFETIME,
        };
        issuer.make(rig.database.pool().clone()).await?;
    }
    copies(&rig, due).await?;
    rig.database.settle().await?;
    say::line(&format!("{due} are due"));
    rows::fall_due(rig.database.pool()).await?;
    let (began, forecast_s) = forecast(&rig, &ca, due).await?;
    let all = Duration::from_secs_f64(forecast_s * 2.0 + 60.0);
    while rows::renewed(rig.database.pool()).await? < i64::try_from(due)? {
        ensure!(began.elapsed() < all, "not all were renewed within {all:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Reading::of(&ca.ledger(), MOST, WINDOW, forecast_s, began.elapsed())
}

/// One certificate is asked for by the API; the others are copies of it at both issuers.
async fn copies(rig: &Rig, due: usize) -> Result<()> {
    let door = rig.door().await?;
    door.open().await?;
    let requests = workload::requests("budget", 1)?;
    let clients = [Sender::connected(&door).await?];
    let bodies = workload::bulk(&requests, 1)?;
    send_all(&clients, "/api/v1/certificates:bulk", &bodies).await?;
    let many = i64::try_from(due)?;
    for issuer in ["far", "dead"] {
        rows::copy(rig.database.pool(), issuer, many, LIFETIME).await?;
    }
    Ok(())
}

/// Waits until all are enqueued or asked for; what `certmill cluster` then forecasts.
async fn forecast(rig: &Rig, ca: &Ca, due: usize) -> Result<(Instant, f64)> {
    let give_up = Instant::now() + ENQUEUED_WITHIN;
    loop {
        let told = headroom(rig.database.pool(), Scope::Account.as_str()).await?;
        let far = told.first().context("the budget is not shown")?;
        let asked = ca.ledger().len();
        let waiting = usize::try_from(far.waiting.unwrap_or_default())?;
        // What is in the hands of workers is neither.
        if asked > 0 && waiting + asked + 50 >= due {
            let clears_in_s = far.clears_in_s.context("there is no forecast")?;
            return Ok((Instant::now(), clears_in_s));
        }
        ensure!(Instant::now() < give_up, "{waiting} of {due} are enqueued");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
