//! The settings, typed and checked.
//!
//! Invariant: a value of [`Settings`] has passed every check; nobody below checks again.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::inventory::{self, ShownSetting};
use crate::layers::Layers;
use crate::reader::Reader;
use crate::sections::{
    beside, days, read_address, read_api, read_database, read_log, read_plain_url, read_tls,
    read_worker,
};
use crate::validate;
use crate::{Env, Error, Overrides, Problem, Role, Secret, default_data_dir};

/// All settings of one process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The role that they were read for.
    pub role: Role,
    /// The database.
    pub database: Database,
    /// Keys, certificates, the embedded database.
    pub data_dir: PathBuf,
    /// The address of the HTTPS surface.
    pub listen: SocketAddr,
    /// The address of the plain listener for CRLs and OCSP, if there is to be one.
    pub plain_listen: Option<SocketAddr>,
    /// Where others reach that listener: the base that certificates name.
    pub plain_url: Option<String>,
    /// Further names in the api's own certificate.
    pub public_names: Vec<String>,
    /// A supplied server certificate; `None` means our own.
    pub tls: Option<TlsFiles>,
    /// Logging.
    pub log: Log,
    /// The file of the key that seals CA keys.
    pub ca_kek_file: PathBuf,
    /// A second such key, where there is one.
    pub ca_kek_next_file: PathBuf,
    /// The file of the key that seals other secrets.
    pub app_kek_file: PathBuf,
    /// A second such key, where there is one.
    pub app_kek_next_file: PathBuf,
    /// How often a running process looks at them.
    pub kek_poll: Duration,
    /// The file of the one-time token for the first admin's key, if there is one.
    pub bootstrap_token_file: Option<PathBuf>,
    /// The worker, and the name of this process in any role.
    pub worker: Worker,
    /// How a process shows that it lives.
    pub process: ProcessLease,
    /// Leadership lease; renew every third of it.
    pub leader_lease: Duration,
    /// Period of the renewal sweep.
    pub renewal_slot: Duration,
    /// A job that runs longer is taken away.
    pub job_deadline: Duration,
    /// Days that completed jobs stay in the history.
    pub keep_completed_days: u16,
    /// Days that discarded and cancelled jobs and failed attempts stay.
    pub keep_ended_days: u16,
    /// How idle workers learn of jobs.
    pub wake: Wake,
    /// Period of the poll.
    pub poll: Duration,
    /// Time to drain after SIGTERM.
    pub shutdown_grace: Duration,
    /// Whether a role migrates the database before it starts.
    pub migrate_at_boot: bool,
    /// Whether profiles may let the server make and keep keys.
    pub acknowledge_sealed_keys: bool,
    /// Limits of the API.
    pub api: ApiLimits,
    /// Faults on purpose; all off in release builds.
    pub failpoints: Failpoints,
}

/// Which database, and how.
#[derive(Clone, Debug)]
pub struct Database {
    /// The login of the running roles; `None` means the embedded database (only in `up`).
    pub url: Option<Secret>,
    /// The file that `url` was read from, if it was: a rotated secret is read from there again.
    pub url_file: Option<PathBuf>,
    /// The login of the owner, for migrations; the same as `url` unless given.
    pub migrate_url: Option<Secret>,
    /// The pool size, if given; [`Settings::max_connections`] resolves it.
    pub max_connections: Option<u32>,
    /// TLS to the database.
    pub tls: DatabaseTls,
    /// What stands between us and Postgres.
    pub pooler: Pooler,
    /// Folder of `initdb` and `postgres`, if given.
    pub bin_dir: Option<PathBuf>,
    /// Where downloaded binaries are unpacked.
    pub cache_dir: PathBuf,
}

/// What stands between a process and Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing, or a pooler that gives a session of one's own.
    None,
    /// A pooler that hands out a server connection for one transaction at a time.
    Transaction,
}

/// How strictly TLS to the database is checked, from lax to strict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DatabaseTls {
    /// None; the default on unix sockets and loopback only.
    Disable,
    /// TLS of any sort.
    Require,
    /// The chain and the host name.
    VerifyFull,
}

/// A supplied certificate; both files are named or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM chain, leaf first.
    pub cert_file: PathBuf,
    /// PEM private key, mode 0600 or stricter.
    pub key_file: PathBuf,
}

/// What log lines look like and which are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// JSON or plain text.
    pub format: LogFormat,
    /// Directives such as `info,certmill_queue=debug`.
    pub filter: String,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// One plain line an event.
    Text,
}

/// What a worker claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// The name of this process, in every role.
    pub name: String,
    /// Lanes, names or globs.
    pub queues: Vec<String>,
    /// Jobs at once.
    pub concurrency: u32,
    /// End when nothing is due in the lanes and nothing runs; in the role `worker` only.
    pub drain_and_exit: bool,
}

/// Beats and leases of processes; the lease is more than three beats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessLease {
    /// Silence after which a process is dead.
    pub lease: Duration,
    /// Period of beats.
    pub beat: Duration,
    /// Period of the search for lost jobs.
    pub rescue: Duration,
}

/// How idle workers learn of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// NOTIFY as a hint, the poll as the truth.
    Notify,
    /// The poll alone.
    Poll,
}

/// Limits of the HTTPS surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiLimits {
    /// Requests a second for each API key.
    pub rate_per_s: u32,
    /// Requests at once for each API key.
    pub burst: u32,
    /// Requests a second for each address, over all its keys.
    pub address_rate_per_s: u32,
    /// Requests at once for each address, over all its keys.
    pub address_burst: u32,
    /// Largest request body in bytes.
    pub body_limit_bytes: usize,
    /// Longest time for a request.
    pub request_timeout: Duration,
    /// Where the limits of keys, addresses and guesses are kept.
    pub backend: LimitsBackend,
}

/// Where the API keeps its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitsBackend {
    /// In the database, one for all replicas.
    Postgres,
    /// In the process, which must be the only one with an API.
    Memory,
}

impl LimitsBackend {
    /// The word of the setting.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Memory => "memory",
        }
    }
}

/// Faults on purpose, for the process test.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Failpoints {
    /// Longest sleep between effect and finish.
    pub finish_delay_max: Duration,
    /// Share of jobs that sleep, 0.0 ..= 1.0.
    pub finish_delay_share: f64,
    /// Finish without the fence (the test of the test).
    pub unfenced_finish: bool,
}

/// What a look at all layers found, sound or not.
#[derive(Debug)]
pub struct Inspection {
    /// What was read, with the default in place of whatever is wrong.
    pub draft: Settings,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
    /// Each setting with its origin.
    pub shown: Vec<ShownSetting>,
}

impl Settings {
    /// Reads and checks all layers for a role.
    ///
    /// # Errors
    /// [`Error::Usage`] for a secret on the command line, else every problem at once.
    pub fn load(role: Role, overrides: &Overrides, env: &Env) -> Result<Self, Error> {
        let seen = Self::inspect(role, overrides, env)?;
        if seen.problems.is_empty() {
            Ok(seen.draft)
        } else {
            Err(Error::Invalid(seen.problems))
        }
    }

    /// As [`Settings::load`], and goes on where something is wrong: for those who show or check
    /// settings rather than run with them.
    ///
    /// # Errors
    /// [`Error::Usage`] for a secret on the command line.
    pub fn inspect(role: Role, overrides: &Overrides, env: &Env) -> Result<Inspection, Error> {
        let mut problems = Vec::new();
        let layers = Layers::read(overrides, env, &mut problems)?;
        let mut reader = Reader::new(layers, problems);
        let draft = Self::read(role, &mut reader, env);
        validate::check(&draft, &mut reader);
        Ok(Inspection {
            shown: inventory::take(&draft, &reader),
            draft,
            problems: reader.problems,
        })
    }

    /// The pool size of a role: as set, else by role.
    #[must_use]
    pub fn max_connections(&self, role: Role) -> u32 {
        self.database
            .max_connections
            .unwrap_or(role.default_max_connections())
    }

    fn read(role: Role, reader: &mut Reader, env: &Env) -> Self {
        let data_dir = reader
            .path("data_dir")
            .unwrap_or_else(|| default_data_dir(env));
        let ms =
            |reader: &mut Reader, key, default| Duration::from_millis(reader.whole(key, default));
        let lease = ms(reader, "process.lease_ms", 30_000);
        let kek_file = |reader: &mut Reader, key, name| {
            reader.path(key).unwrap_or_else(|| data_dir.join(name))
        };
        let ca_kek_file = kek_file(reader, "ca_kek_file", "ca.kek");
        let app_kek_file = kek_file(reader, "app_kek_file", "app.kek");
        let third = u64::try_from(lease.as_millis() / 3).unwrap_or(u64::MAX);
        Self {
            role,
            database: read_database(reader, env),
            listen: read_address(reader, "listen")
                .unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8443))),
            plain_listen: read_address(reader, "plain_listen"),
            plain_url: read_plain_url(reader),
            public_names: reader.list("public_names").unwrap_or_default(),
            tls: read_tls(reader),
            log: read_log(role, reader, env),
            ca_kek_next_file: reader
                .path("ca_kek_next_file")
                .unwrap_or_else(|| beside(&ca_kek_file)),
            ca_kek_file,
            app_kek_next_file: reader
                .path("app_kek_next_file")
                .unwrap_or_else(|| beside(&app_kek_file)),
            app_kek_file,
            kek_poll: ms(reader, "kek_poll_ms", 10_000),
            bootstrap_token_file: reader.path("bootstrap_token_file"),
            worker: read_worker(reader, env),
            process: ProcessLease {
                lease,
                beat: ms(reader, "process.beat_ms", 8_000),
                rescue: ms(reader, "process.rescue_ms", third),
            },
            leader_lease: ms(reader, "leader.lease_ms", 15_000),
            renewal_slot: ms(reader, "schedule.renewal_slot_ms", 60_000),
            job_deadline: ms(reader, "job.deadline_ms", 600_000),
            keep_completed_days: days(reader, "job.keep_completed_days", 14),
            keep_ended_days: days(reader, "job.keep_ended_days", 90),
            wake: match reader.word("wake") {
                Some("poll") => Wake::Poll,
                _ => Wake::Notify,
            },
            poll: ms(reader, "poll_ms", 1_000),
            shutdown_grace: ms(reader, "shutdown_grace_ms", 25_000),
            migrate_at_boot: reader.flag("migrate_at_boot", true),
            acknowledge_sealed_keys: reader.flag("acknowledge_sealed_keys", false),
            api: read_api(reader),
            failpoints: Failpoints {
                finish_delay_max: ms(reader, "failpoints.finish_delay_ms_max", 0),
                finish_delay_share: reader.share("failpoints.finish_delay_share"),
                unfenced_finish: reader.flag("failpoints.unfenced_finish", false),
            },
            data_dir,
        }
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
