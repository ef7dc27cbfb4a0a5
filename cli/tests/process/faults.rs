//! Kills and pauses: workers one at a time with at least 15 s between, the leader in between.
//!
//! Invariant: what is planned follows from the seed alone; when `run` returns, every fault is over
//! and every process is up.
#![allow(clippy::disallowed_methods, reason = "tests ask the database directly")]

use std::time::{Duration, Instant};

use rand::RngExt as _;
use rand::rngs::StdRng;
use rustix::process::Signal;

use crate::cluster::Cluster;
use crate::members::{MEMBERS, Member};
use crate::progress::say;

/// How long a process is stopped: longer than its lease.
pub const PAUSE: Duration = Duration::from_secs(8);
/// Patience for a moment at which a fault hurts.
const MOMENT: Duration = Duration::from_secs(4);

/// What is done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    Kill,
    Pause,
    /// All its sessions are ended by the server.
    Disconnect,
}

#[derive(Debug, Clone, Copy)]
enum Whom {
    Worker(&'static str),
    Leader,
    /// One of those that clients do not ask.
    Api(&'static str),
    Everybody,
}

/// One fault at an instant after the start.
#[derive(Debug, Clone, Copy)]
struct Fault {
    at: Duration,
    whom: Whom,
    harm: Harm,
}

/// What was done.
#[derive(Debug, Default, Clone, Copy)]
pub struct Done {
    pub kills: usize,
    pub pauses: usize,
    pub leader_faults: usize,
    pub disconnects: usize,
}

/// The faults of one run.
pub struct Faults<'a> {
    cluster: &'a mut Cluster,
    began: Instant,
    paused: Vec<(Instant, &'static str)>,
    killed: Vec<&'static str>,
    pub done: Done,
}

impl<'a> Faults<'a> {
    pub fn new(cluster: &'a mut Cluster) -> Self {
        Self {
            cluster,
            began: Instant::now(),
            paused: Vec::new(),
            killed: Vec::new(),
            done: Done::default(),
        }
    }

    /// Harms for this long, then waits until everything is up again. If no fence was refused until
    /// then, workers are paused up to three times more, so that a run of bad luck is no failure.
    pub async fn run(&mut self, rng: &mut StdRng, length: Duration) {
        for fault in plan(rng, length, self.cluster.all()) {
            self.wait_until(fault.at).await;
            self.harm(fault.whom, fault.harm).await;
        }
        self.heal().await;
        for _ in 0..3 {
            if self.cluster.logged("fence_refused") > 0 {
                break;
            }
            say("no fence was refused yet: one more pause");
            self.wait_until(self.began.elapsed() + Duration::from_secs(8))
                .await;
            let worker = drawn(rng, self.cluster.all(), "worker").unwrap();
            self.harm(Whom::Worker(worker), Harm::Pause).await;
            self.heal().await;
        }
    }

    /// Pauses a worker while it has several jobs, and lets it go on.
    pub async fn pause_worker(&mut self, name: &'static str) {
        self.wait_until_busy(name, 4).await;
        self.harm(Whom::Worker(name), Harm::Pause).await;
        self.heal().await;
    }

    async fn harm(&mut self, whom: Whom, harm: Harm) {
        let name = match whom {
            Whom::Worker(name) => {
                self.wait_until_busy(name, 2).await;
                name
            }
            Whom::Leader => {
                let Some(name) = self.leader().await else {
                    say("nobody leads: no fault");
                    return;
                };
                self.done.leader_faults += 1;
                name
            }
            Whom::Api(name) => name,
            Whom::Everybody => "everybody",
        };
        if self.paused.iter().any(|paused| paused.1 == name) {
            say(format_args!("{name} is paused: no fault"));
            return;
        }
        say(format_args!(
            "{:>3} s: {harm:?} {name}",
            self.began.elapsed().as_secs()
        ));
        match harm {
            Harm::Kill => {
                self.cluster.replace(name);
                self.killed.push(name);
                self.done.kills += 1;
            }
            Harm::Pause => {
                self.cluster.signal(name, Signal::STOP);
                self.paused.push((Instant::now() + PAUSE, name));
                self.done.pauses += 1;
            }
            Harm::Disconnect => {
                self.disconnect().await;
                self.done.disconnects += 1;
            }
        }
    }

    async fn disconnect(&self) {
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()",
        )
        .execute(self.cluster.database().app())
        .await
        .unwrap();
    }

    /// A fault hurts while the worker has jobs; a few seconds are waited for that.
    async fn wait_until_busy(&mut self, name: &str, jobs: i64) {
        let give_up = Instant::now() + MOMENT;
        while Instant::now() < give_up && self.running(name).await < jobs {
            self.turn().await;
        }
    }

    async fn running(&self, name: &str) -> i64 {
        sqlx::query_scalar(
            "SELECT count(*) FROM job j JOIN process p ON p.id = j.worker_id WHERE j.state = 1 AND p.label = $1",
        )
        .bind(name)
        .fetch_one(self.cluster.owner())
        .await
        .unwrap()
    }

    async fn leader(&mut self) -> Option<&'static str> {
        let give_up = Instant::now() + MOMENT;
        while Instant::now() < give_up {
            let leader = self.cluster.leader().await;
            if let Some(name) =
                leader.filter(|name| !self.paused.iter().any(|paused| paused.1 == *name))
            {
                return Some(name);
            }
            self.turn().await;
        }
        None
    }

    async fn wait_until(&mut self, at: Duration) {
        while self.began.elapsed() < at {
            self.turn().await;
        }
    }

    async fn heal(&mut self) {
        while !self.paused.is_empty() {
            self.turn().await;
        }
        for name in std::mem::take(&mut self.killed) {
            self.cluster.ready(name).await;
        }
    }

    /// Passes a moment; whose pause is over goes on.
    async fn turn(&mut self) {
        tokio::time::sleep(Duration::from_millis(25)).await;
        let now = Instant::now();
        for (_, name) in self.paused.extract_if(.., |(until, _)| *until <= now) {
            self.cluster.signal(name, Signal::CONT);
        }
    }
}

/// Worker faults 16 to 19 s apart, each pair a kill and a pause in either order; 8 to 9 s after
/// each a fault of the leader, of the other sort. Where there are apis that nobody asks, those too, and
/// every third time all sessions are ended.
fn plan(rng: &mut StdRng, length: Duration, all: &[Member]) -> Vec<Fault> {
    let mut plan = Vec::new();
    let mut at = Duration::from_secs(6);
    let mut pair = [Harm::Pause, Harm::Kill];
    let mut next = 0;
    while at + PAUSE < length {
        if next % 2 == 0 && rng.random_bool(0.5) {
            pair.reverse();
        }
        let (harm, other) = (pair[next % 2], pair[(next + 1) % 2]);
        plan.push(Fault {
            at,
            whom: Whom::Worker(drawn(rng, all, "worker").unwrap()),
            harm,
        });
        let between = at + Duration::from_millis(rng.random_range(8_000..9_000));
        plan.push(Fault {
            at: between,
            whom: Whom::Leader,
            harm: other,
        });
        let soon = |seconds: u64| at + Duration::from_secs(seconds);
        if let Some(api) = drawn(rng, all, "api") {
            let (at, whom) = (soon(3), Whom::Api(api));
            plan.push(Fault { at, whom, harm });
        }
        if all.len() > MEMBERS.len() && next % 3 == 2 {
            let (at, whom, harm) = (soon(5), Whom::Everybody, Harm::Disconnect);
            plan.push(Fault { at, whom, harm });
        }
        at += Duration::from_millis(rng.random_range(16_000..19_000));
        next += 1;
    }
    plan.sort_by_key(|fault| fault.at);
    plan
}

/// One of that role; of the apis, one that clients do not ask.
fn drawn(rng: &mut StdRng, all: &[Member], role: &str) -> Option<&'static str> {
    let meant = all
        .iter()
        .filter(|member| member.1 == role && member.0 != "api-1");
    let names: Vec<&'static str> = meant.map(|member| member.0).collect();
    (!names.is_empty()).then(|| names[rng.random_range(0..names.len())])
}
