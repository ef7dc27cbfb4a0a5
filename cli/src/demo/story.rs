//! What is done to the running demonstration, and what came of it.
//!
//! Invariant: a story ends when the system is as it was before, or says that it is not.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use certmill_rehearsal::{Ca, Faults};
use certmill_wire::client::Error;
use certmill_wire::{JobFilter, MAX_LIMIT, Paging, RenewRequest};

use super::door::Door;
use super::seed::USUAL;
use super::sight::Sight;
use super::site::Site;
use super::tale::Tale;
use crate::args::{DemoVerb, Victim};

/// A story that takes longer has gone wrong.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A worker is killed at work, if one gets any within this time.
const BUSY_WITHIN: Duration = Duration::from_secs(20);
/// How long the CA stays slow.
const SLOW_FOR: Duration = Duration::from_secs(30);
const SLOW: Faults = Faults {
    delay: Duration::from_secs(4),
    refused: 0.2,
    unanswered: 0.01,
    processing: Duration::from_secs(5),
};

/// It did not come to its good end.
pub(super) struct Broken(pub(super) String);

impl From<Error> for Broken {
    fn from(why: Error) -> Self {
        Self(format!("no api answers: {why}"))
    }
}

/// A story that has begun; what is left of it needs nobody's processes.
pub(super) enum Story {
    /// The leader is dead.
    Leader { name: String, epoch: i64 },
    /// A worker is dead.
    Worker {
        name: String,
        held: i64,
        jobs: BTreeSet<String>,
    },
    /// An api is dead.
    Api { name: String },
    /// The database is dead.
    Database { versions: i64 },
    /// The CA is slow.
    SlowCa { finalized: usize },
}

/// Does what the story begins with.
pub(super) async fn begin(verb: DemoVerb, site: &mut Site, tale: &Tale) -> Result<Story, Broken> {
    let before = Sight::look(&site.door, &site.ca).await?;
    match verb {
        DemoVerb::SlowCa => {
            site.ca.set_faults(SLOW);
            tale.tell(format!(
                "for {} s the CA answers {} s late, refuses a fifth of what it is asked, and takes {} s to make a \
                 certificate",
                SLOW_FOR.as_secs(),
                SLOW.delay.as_secs(),
                SLOW.processing.as_secs()
            ));
            let finalized = before.books.finalized;
            Ok(Story::SlowCa { finalized })
        }
        DemoVerb::Kill { victim } => match victim {
            Victim::Leader => leader(site, &before, tale),
            Victim::Worker => worker(site, tale).await,
            Victim::Api => api(site, tale),
            Victim::Database => database(site, &before, tale),
        },
    }
}

fn leader(site: &mut Site, before: &Sight, tale: &Tale) -> Result<Story, Broken> {
    let Some(leader) = &before.cluster.leader else {
        return Err(Broken("nobody leads at the moment; try again".to_owned()));
    };
    let (name, epoch) = (leader.holder.clone(), leader.epoch);
    let id = kill(site, &name)?;
    tale.tell(format!(
        "killed {name} (process {id}), which led in epoch {epoch}: kill -9, so it could give nothing up"
    ));
    Ok(Story::Leader { name, epoch })
}

async fn worker(site: &mut Site, tale: &Tale) -> Result<Story, Broken> {
    let until = Instant::now() + BUSY_WITHIN;
    let (name, held) = loop {
        let cluster = site.door.ask(async |client| client.cluster().await).await?;
        let alive = cluster.processes.into_iter();
        let workers = alive.filter(|one| one.role == "worker" && one.state == "alive");
        let Some(busiest) = workers.max_by_key(|one| one.running) else {
            return Err(Broken("no worker is alive; try again".to_owned()));
        };
        if busiest.running > 0 || Instant::now() > until {
            break (busiest.name, busiest.running);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let jobs = running(&site.door).await?;
    let id = kill(site, &name)?;
    tale.tell(format!(
        "killed {name} (process {id}), which had {held} jobs in its hands a moment ago; {} jobs ran on all workers",
        jobs.len()
    ));
    Ok(Story::Worker { name, held, jobs })
}

fn api(site: &mut Site, tale: &Tale) -> Result<Story, Broken> {
    let name = site.door.name().to_owned();
    let id = kill(site, &name)?;
    tale.tell(format!(
        "killed {name} (process {id}), which answered this demonstration"
    ));
    Ok(Story::Api { name })
}

fn database(site: &Site, before: &Sight, tale: &Tale) -> Result<Story, Broken> {
    let id = site
        .kill_database()
        .ok_or_else(|| Broken("Postgres is being started; try again".to_owned()))?;
    let versions = versions(before);
    tale.tell(format!(
        "stopped Postgres (process {id}) on the spot: it has to recover from its log; {versions} versions were \
         shown before"
    ));
    Ok(Story::Database { versions })
}

fn kill(site: &mut Site, name: &str) -> Result<u32, Broken> {
    let killed = site.fleet.kill(name);
    killed.ok_or_else(|| Broken(format!("{name} is being started; try again")))
}

/// Follows it to its end.
pub(super) async fn follow(story: Story, door: &Door, ca: &Ca, tale: &Tale) -> Result<(), Broken> {
    let began = Instant::now();
    match story {
        Story::Leader { name, epoch } => after_leader(door, &name, epoch, tale).await?,
        Story::Worker { name, held, jobs } => after_worker(door, (&name, held), jobs, tale).await?,
        Story::Api { name } => after_api(door, &name, tale).await?,
        Story::Database { versions: before } => after_database(door, ca, before, tale).await?,
        Story::SlowCa { finalized } => after_slow_ca(door, ca, finalized, tale).await?,
    }
    let sight = Sight::look(door, ca).await?;
    tale.tell(format!(
        "after {:.1} s; the CA's ledger says: {}",
        began.elapsed().as_secs_f64(),
        sight.promises
    ));
    match sight.promises.hold() {
        true => Ok(()),
        false => Err(Broken("a promise was broken".to_owned())),
    }
}

async fn after_leader(door: &Door, name: &str, epoch: i64, tale: &Tale) -> Result<(), Broken> {
    let patience = Patience::begin("nobody else leads");
    let (holder, next, vacant, slot) = loop {
        let cluster = door.ask(async |client| client.cluster().await).await?;
        let newer = cluster
            .leader
            .as_ref()
            .filter(|leader| leader.epoch > epoch);
        if let Some(leader) = newer {
            let mut terms = cluster.terms.iter();
            let term = terms.find(|term| term.epoch == leader.epoch);
            let vacant = term.and_then(|term| term.vacant_ms);
            break (
                leader.holder.clone(),
                leader.epoch,
                vacant,
                renewal_slot(&cluster),
            );
        }
        patience.wait().await?;
    };
    let vacant = vacant.map_or_else(String::new, |ms| {
        format!(
            "; {:.1} s after {name} had last renewed its lease",
            ms as f64 / 1_000.0
        )
    });
    tale.tell(format!("{holder} leads in epoch {next}{vacant}"));
    let patience = Patience::begin("no slot is settled");
    loop {
        let cluster = door.ask(async |client| client.cluster().await).await?;
        if renewal_slot(&cluster) > slot {
            tale.tell(
                "the schedules go on where they stood: each slot has one row, held by a unique key"
                    .to_owned(),
            );
            return Ok(());
        }
        patience.wait().await?;
    }
}

fn renewal_slot(cluster: &certmill_wire::ClusterView) -> Option<time::OffsetDateTime> {
    let mut schedules = cluster.schedules.iter();
    let renewal = schedules.find(|one| one.name == "renewal");
    renewal.and_then(|one| one.last_slot)
}

/// The ids of all jobs that run.
async fn running(door: &Door) -> Result<BTreeSet<String>, Error> {
    let filter = JobFilter {
        state: vec!["running".to_owned()],
        kind: vec!["issue".to_owned()],
        paging: Paging {
            limit: Some(MAX_LIMIT),
            cursor: None,
        },
        ..JobFilter::default()
    };
    let page = door.ask(async |client| client.jobs(&filter).await).await?;
    Ok(page.data.into_iter().map(|job| job.id).collect())
}

async fn after_worker(
    door: &Door,
    (name, held): (&str, i64),
    jobs: BTreeSet<String>,
    tale: &Tale,
) -> Result<(), Broken> {
    let patience = Patience::begin("some of these jobs have not ended");
    let (many, mut left) = (jobs.len(), jobs);
    while let Some(id) = left.first().cloned() {
        let job = door.ask(async |client| client.job(&id).await).await?;
        match job.state.as_str() {
            "completed" => {
                left.remove(&id);
            }
            "discarded" | "cancelled" => {
                return Err(Broken(format!("{id} ended as {}", job.state)));
            }
            _ => patience.wait().await?,
        }
    }
    tale.tell(format!(
        "all {many} jobs have ended well; {name} had {held} of them, which were rescued once its lease was over"
    ));
    Ok(())
}

async fn after_api(door: &Door, name: &str, tale: &Tale) -> Result<(), Broken> {
    let patience = Patience::begin("not all apis are ready");
    let (mut asked, mut answered, mut other) = (0, 0, None);
    loop {
        asked += 1;
        answered += usize::from(
            door.ask(async |client| client.version().await)
                .await
                .is_ok(),
        );
        if other.is_none() && door.name() != name {
            other = Some(door.name().to_owned());
            tale.tell(format!("{} answers in its place", door.name()));
        }
        let mut ready = true;
        for client in door.clients() {
            ready &= client.ready().await.is_ok();
        }
        if ready && other.is_some() {
            tale.tell(format!(
                "{name} is ready again; of {asked} questions in between {answered} were answered"
            ));
            return match answered == asked {
                true => Ok(()),
                false => Err(Broken("some questions were not answered".to_owned())),
            };
        }
        patience.wait().await?;
    }
}

/// How many versions the certificates have had.
fn versions(sight: &Sight) -> i64 {
    let versions = sight.certificates.iter().map(|one| &one.version);
    versions.flatten().map(|version| version.generation).sum()
}

async fn after_database(door: &Door, ca: &Ca, before: i64, tale: &Tale) -> Result<(), Broken> {
    let (began, patience) = (Instant::now(), Patience::begin("no api is ready"));
    // The first answers may come from before the stop.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let after = loop {
        if let Ok(sight) = Sight::look(door, ca).await {
            break versions(&sight);
        }
        patience.wait().await?;
    };
    tale.tell(format!(
        "it answers again after {:.1} s; {after} versions are shown, of which {before} were shown before: none is \
         lost",
        began.elapsed().as_secs_f64()
    ));
    if after < before {
        return Err(Broken(format!("{} versions are gone", before - after)));
    }
    renew_one(door, ca, tale).await?;
    tale.tell("all processes are connected again".to_owned());
    Ok(())
}

/// Shows that certificates are issued, whether one is due or not.
async fn renew_one(door: &Door, ca: &Ca, tale: &Tale) -> Result<(), Broken> {
    let mut certificates = Sight::look(door, ca).await?.certificates.into_iter();
    let Some(one) = certificates.find(|one| one.job.is_none()) else {
        // All are being issued anyway.
        return Ok(());
    };
    let request = RenewRequest::default();
    let asked = door.ask(async |client| client.renew_certificate(&one.id, &request).await);
    asked.await?;
    let patience = Patience::begin("nothing is issued");
    let shown = one.version.map(|version| version.generation);
    loop {
        let now = door.ask(async |client| client.certificate(&one.id).await);
        if now.await?.version.map(|version| version.generation) > shown {
            tale.tell(format!("asked to renew {}, and it is renewed", one.name));
            return Ok(());
        }
        patience.wait().await?;
    }
}

async fn after_slow_ca(door: &Door, ca: &Ca, before: usize, tale: &Tale) -> Result<(), Broken> {
    tokio::time::sleep(SLOW_FOR).await;
    let made = Sight::look(door, ca).await?.books.finalized - before;
    ca.set_faults(USUAL);
    tale.tell(format!(
        "the CA is as usual again; it made {made} certificates meanwhile. Leases were kept while it was waited for, and \
         lost answers were looked up, not asked for again"
    ));
    renew_one(door, ca, tale).await?;
    Ok(())
}

/// Waits, but not for ever.
struct Patience {
    until: Instant,
    what: &'static str,
}

impl Patience {
    fn begin(what: &'static str) -> Self {
        Self {
            until: Instant::now() + PATIENCE,
            what,
        }
    }

    async fn wait(&self) -> Result<(), Broken> {
        if Instant::now() > self.until {
            let long = PATIENCE.as_secs();
            return Err(Broken(format!("after {long} s {}", self.what)));
        }
        tokio::time::sleep(LOOK_EVERY).await;
        Ok(())
    }
}
