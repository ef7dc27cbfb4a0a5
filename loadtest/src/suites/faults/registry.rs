//! The faults: one entry each.
//!
//! Invariant: an entry says what must come of it; nothing is played that is not in this list.

use anyhow::Result;
use futures::future::LocalBoxFuture;

use super::options::Programs;
use super::plays::{
    clients, controls, failover, network, pooler, postgres, process, resources, time,
};
use super::site::Variant;
use super::stage::Stage;

/// What must come of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Every checker is silent, and some client was left in doubt or some job was rescued.
    Holds,
    /// Every checker is silent. The fault's own count proves that it hurt: it is too gentle to leave
    /// doubts or lost jobs behind, or the clients' repetitions under one key settle every doubt.
    HoldsGently,
    /// What failed over reports what it has lost; without that, every checker is silent.
    LosesAndReports,
    /// A control: this checker must speak.
    Breaks(&'static str),
    /// A control: the run must be refused, for nothing was injected.
    IsRefused,
}

/// What plays a fault: it answers how often it hurt, and everything is healed when it ends.
pub type Play = for<'a> fn(&'a mut Stage) -> LocalBoxFuture<'a, Result<u64>>;

/// One fault.
#[derive(Clone, Copy)]
pub struct Fault {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is done.
    pub about: &'static str,
    /// Whether it belongs to the short run.
    pub quick: bool,
    /// What must come of it.
    pub expect: Expect,
    /// How its site differs.
    pub variant: Variant,
    /// Whether it needs the program `faketime`.
    pub with_faketime: bool,
    /// Does it.
    pub play: Play,
}

/// Jobs that take a while are hit in the middle; these settings exist in debug builds only.
#[cfg(debug_assertions)]
const SLOW: Variant = variant(&[
    ("failpoints.finish_delay_ms_max", "1200"),
    ("failpoints.finish_delay_share", "0.3"),
]);
#[cfg(not(debug_assertions))]
const SLOW: Variant = variant(&[]);

/// The fence is left out, which only debug builds can. An end is held back for as long as lets the
/// workers keep up with the clients: a job that was lost must not wait behind a backlog.
const UNFENCED: Variant = variant(&[
    ("failpoints.finish_delay_ms_max", "1000"),
    ("failpoints.finish_delay_share", "1"),
    ("failpoints.unfenced_finish", "true"),
]);

const USUAL: Variant = variant(&[]);

/// A PgBouncer in between, so that no start-up option and no notification arrives.
const POOLED: Variant = Variant {
    settings: &[("database.pooler", "transaction"), ("wake", "poll")],
    server: &[],
    pooled: true,
    followed: false,
    disk_mb: None,
};

/// A standby follows the server.
const FOLLOWED: Variant = Variant {
    followed: true,
    ..USUAL
};

/// A disk of its own for the server: with room for its WAL, and not much else.
const SMALL_DISK: Variant = Variant {
    disk_mb: Some(300),
    ..USUAL
};

const fn variant(settings: &'static [(&'static str, &'static str)]) -> Variant {
    Variant {
        settings,
        server: &[],
        pooled: false,
        followed: false,
        disk_mb: None,
    }
}

const fn fault(name: &'static str, about: &'static str, expect: Expect, play: Play) -> Fault {
    Fault {
        name,
        about,
        quick: false,
        expect,
        variant: USUAL,
        with_faketime: false,
        play,
    }
}

impl Fault {
    /// Why this machine cannot play it, if so.
    pub fn lacks(&self, programs: &Programs) -> Option<&'static str> {
        if cfg!(not(debug_assertions)) && matches!(self.expect, Expect::Breaks(_)) {
            return Some("a release build has no failpoints to break it with");
        }
        let no_pooler = programs.pgbouncer.is_none() && !super::pooler::is_here();
        if self.variant.pooled && no_pooler {
            return Some("there is no pgbouncer here (package pgbouncer)");
        }
        if self.variant.disk_mb.is_some() && !super::disk::may_mount() {
            return Some("this user may not mount a small disk (CAP_SYS_ADMIN)");
        }
        let lacks_clock = self.with_faketime && time::library().is_none();
        lacks_clock.then_some("there is no faketime here (package faketime)")
    }

    const fn with_faketime(mut self) -> Self {
        self.with_faketime = true;
        self
    }

    const fn quick(mut self) -> Self {
        self.quick = true;
        self
    }

    const fn on(mut self, variant: Variant) -> Self {
        self.variant = variant;
        self
    }
}

/// Every fault.
pub const FAULTS: &[Fault] = &[
    fault(
        "worker-killed",
        "SIGKILL of a worker while it has jobs, again and again",
        Expect::Holds,
        |stage| Box::pin(process::worker_killed(stage)),
    )
    .quick()
    .on(SLOW),
    fault(
        "worker-paused",
        "SIGSTOP of a worker for longer than its lease, while it has jobs",
        Expect::Holds,
        |stage| Box::pin(process::worker_paused(stage)),
    )
    .quick()
    .on(SLOW),
    fault(
        "api-killed",
        "SIGKILL of an api under load",
        Expect::Holds,
        |stage| Box::pin(process::api_killed(stage)),
    ),
    fault(
        "leader-killed",
        "SIGKILL of the leading scheduler, again and again",
        Expect::HoldsGently,
        |stage| Box::pin(process::leader_killed(stage)),
    ),
    fault(
        "commit-answers-lost",
        "one commit of four is carried out, and its answer does not arrive",
        Expect::HoldsGently,
        |stage| Box::pin(network::commit_answers_lost(stage)),
    )
    .quick(),
    fault(
        "sessions-terminated",
        "pg_terminate_backend of every session of certmill, twice a second",
        Expect::Holds,
        |stage| Box::pin(postgres::sessions_terminated(stage)),
    )
    .quick(),
    fault(
        "postgres-killed",
        "kill -9 of the postmaster under load, twice",
        Expect::Holds,
        |stage| Box::pin(postgres::postmaster_killed(stage)),
    )
    .quick(),
    fault(
        "network-silent",
        "half-open: nothing arrives in either direction, nothing is closed",
        Expect::Holds,
        |stage| Box::pin(network::silent(stage)),
    ),
    fault(
        "api-paused",
        "SIGSTOP of an api for longer than its lease",
        Expect::Holds,
        |stage| Box::pin(process::api_paused(stage)),
    ),
    fault(
        "leader-paused",
        "SIGSTOP of the leading scheduler for longer than its lease",
        Expect::HoldsGently,
        |stage| Box::pin(process::leader_paused(stage)),
    ),
    fault(
        "rolling-restart",
        "SIGTERM to each process in turn, under load",
        Expect::HoldsGently,
        |stage| Box::pin(process::rolling_restart(stage)),
    ),
    fault(
        "commits-lost",
        "one commit of four does not arrive, and the connection ends",
        Expect::HoldsGently,
        |stage| Box::pin(network::commits_lost(stage)),
    ),
    fault(
        "answers-swallowed",
        "requests arrive and answers do not",
        Expect::Holds,
        |stage| Box::pin(network::answers_swallowed(stage)),
    ),
    fault(
        "network-cut",
        "connections end and new ones are closed at once",
        Expect::Holds,
        |stage| Box::pin(network::cut(stage)),
    ),
    fault(
        "network-resets",
        "connections are reset for half a second of each second",
        Expect::HoldsGently,
        |stage| Box::pin(network::resets(stage)),
    ),
    fault(
        "network-late",
        "whatever arrives, arrives 60 ms later",
        Expect::HoldsGently,
        |stage| Box::pin(network::late(stage)),
    ),
    fault(
        "hints-dropped",
        "notifications do not arrive",
        Expect::HoldsGently,
        |stage| Box::pin(network::hints_dropped(stage)),
    ),
    fault(
        "leader-one-way",
        "the leader's requests arrive, and no answer comes back to it",
        Expect::HoldsGently,
        |stage| Box::pin(network::leader_one_way(stage)),
    ),
    fault(
        "backend-killed",
        "kill -9 of one session's server process",
        Expect::Holds,
        |stage| Box::pin(postgres::backend_killed(stage)),
    ),
    fault(
        "postgres-stopped",
        "SIGQUIT of the postmaster: stopped at once, recovers",
        Expect::Holds,
        |stage| Box::pin(postgres::stopped_at_once(stage)),
    ),
    fault(
        "postgres-restarted",
        "SIGINT of the postmaster: stopped in good order, started again",
        Expect::Holds,
        |stage| Box::pin(postgres::restarted(stage)),
    ),
    fault(
        "postgres-paused",
        "SIGSTOP of the whole server",
        Expect::Holds,
        |stage| Box::pin(postgres::paused(stage)),
    ),
    fault(
        "connections-used-up",
        "somebody else takes every connection of the server",
        Expect::Holds,
        |stage| Box::pin(postgres::connections_used_up(stage)),
    ),
    fault(
        "jobs-locked",
        "somebody holds the table of jobs in ACCESS EXCLUSIVE MODE",
        Expect::HoldsGently,
        |stage| Box::pin(postgres::jobs_locked(stage)),
    ),
    fault(
        "network-narrow",
        "one megabit a second between each process and Postgres",
        Expect::HoldsGently,
        |stage| Box::pin(network::narrow(stage)),
    ),
    fault(
        "clients-impatient",
        "clients give up after a few milliseconds, sixteen at once",
        Expect::HoldsGently,
        |stage| Box::pin(clients::impatient(stage)),
    ),
    fault(
        "clocks-apart",
        "one of each role is an hour behind, the other an hour ahead",
        Expect::HoldsGently,
        |stage| Box::pin(time::apart(stage)),
    )
    .with_faketime(),
    fault(
        "leader-fast",
        "the schedulers' clocks run ten times too fast, the monotonic ones too",
        Expect::HoldsGently,
        |stage| Box::pin(time::leader_fast(stage)),
    )
    .with_faketime(),
    fault(
        "leader-fast-by-wall",
        "the schedulers' wall clocks run ten times too fast, the monotonic ones do not",
        Expect::HoldsGently,
        |stage| Box::pin(time::leader_fast_by_wall(stage)),
    )
    .with_faketime(),
    fault(
        "leader-starved",
        "the leading scheduler gets five percent of a processor",
        Expect::HoldsGently,
        |stage| Box::pin(resources::leader_starved(stage)),
    ),
    fault(
        "snapshot-held",
        "somebody keeps a snapshot, so that no dead row can be removed",
        Expect::HoldsGently,
        |stage| Box::pin(postgres::snapshot_held(stage)),
    ),
    fault(
        "password-changed",
        "the login has another password; the files that hold it follow seconds later",
        Expect::Holds,
        |stage| Box::pin(postgres::password_changed(stage)),
    ),
    fault(
        "disk-full",
        "the disk of the server is full",
        Expect::Holds,
        |stage| Box::pin(resources::disk_full(stage)),
    )
    .on(SMALL_DISK),
    fault(
        "pooler-restarted",
        "SIGKILL of the PgBouncer in between, again and again",
        Expect::HoldsGently,
        |stage| Box::pin(pooler::restarted(stage)),
    )
    .on(POOLED),
    fault(
        "pooler-answers-commits",
        "behind a PgBouncer one commit of four is not answered: it answers with an error of its own",
        Expect::HoldsGently,
        |stage| Box::pin(pooler::commit_answers_lost(stage)),
    )
    .quick()
    .on(POOLED),
    fault(
        "failover-async",
        "the primary is gone and a standby that lags takes over: what was not shipped is lost, and told",
        Expect::LosesAndReports,
        |stage| Box::pin(failover::asynchronous(stage)),
    )
    .quick()
    .on(FOLLOWED),
    fault(
        "failover-sync",
        "the same where a commit waits for the standby: nothing that was acknowledged is lost",
        Expect::Holds,
        |stage| Box::pin(failover::synchronous(stage)),
    )
    .on(FOLLOWED),
    fault(
        "two-primaries",
        "a standby is promoted while the primary works on with half of the processes, which are moved later",
        Expect::LosesAndReports,
        |stage| Box::pin(failover::two_primaries(stage)),
    )
    .on(FOLLOWED),
    fault(
        "control-unfenced",
        "a control: the fence is left out, so that a paused worker completes twice",
        Expect::Breaks("I2e_one_version_a_generation.sql"),
        |stage| Box::pin(controls::unfenced(stage)),
    )
    .quick()
    .on(UNFENCED),
    fault(
        "control-nothing",
        "a control: nothing is done, which must be found out",
        Expect::IsRefused,
        |stage| Box::pin(controls::nothing(stage)),
    )
    .quick(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_six_faults_are_quick() {
        let mut names: Vec<&str> = FAULTS.iter().map(|fault| fault.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FAULTS.len());
        let holds = |fault: &&Fault| matches!(fault.expect, Expect::Holds | Expect::HoldsGently);
        let quick = FAULTS.iter().filter(|fault| fault.quick);
        assert_eq!(quick.filter(holds).count(), 6);
    }
}
