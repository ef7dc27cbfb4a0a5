//! The list of all settings: one row a key, from which names, checks and reference are made.
//!
//! Invariant: a key that is not in this list does not exist, in no layer.

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Secret,
    Path,
    List,
    Bool,
    Whole { least: u64, most: u64 },
    Share,
    OneOf(&'static [&'static str]),
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The default in words; the reader turns it into a value.
    pub(crate) default: &'static str,
    pub(crate) meaning: &'static str,
}

const fn key(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Key {
    Key {
        name,
        kind,
        default,
        meaning,
    }
}

const fn whole(least: u64, most: u64) -> Kind {
    Kind::Whole { least, most }
}

const HOUR_MS: u64 = 3_600_000;

pub(crate) const KEYS: &[Key] = &[
    key(
        "database_url",
        Kind::Secret,
        "",
        "the Postgres to use; `up` runs its own without it",
    ),
    key(
        "migrate_url",
        Kind::Secret,
        "database_url",
        "the owner's login, for migrations",
    ),
    key(
        "database.max_connections",
        whole(1, 1000),
        "by role: up 60, api 50, worker 20, scheduler 5",
        "most connections of this process's pool",
    ),
    key(
        "database.pooler",
        Kind::OneOf(&["none", "transaction"]),
        "none",
        "what stands between us and Postgres",
    ),
    key(
        "database.tls",
        Kind::OneOf(&["verify-full", "require", "disable"]),
        "verify-full, or disable on a local address",
        "TLS to the database",
    ),
    key(
        "postgres_bin_dir",
        Kind::Path,
        "",
        "folder of initdb and postgres for the embedded database",
    ),
    key(
        "cache_dir",
        Kind::Path,
        "/var/cache/certmill or the user's cache folder",
        "unpacked database binaries",
    ),
    key(
        "data_dir",
        Kind::Path,
        "/var/lib/certmill or the user's data folder",
        "keys, certificates, embedded database",
    ),
    key(
        "listen",
        Kind::Text,
        "127.0.0.1:8443",
        "address and port of the HTTPS surface",
    ),
    key(
        "plain_listen",
        Kind::Text,
        "",
        "address and port of the plain HTTP listener for CRLs and OCSP; none without it",
    ),
    key(
        "plain_url",
        Kind::Text,
        "",
        "where others reach it, e.g. `http://pki.example.com`: certificates name it from then on",
    ),
    key(
        "public_names",
        Kind::List,
        "",
        "further names in the api's own certificate",
    ),
    key(
        "tls.cert_file",
        Kind::Path,
        "",
        "certificate chain to serve instead of our own",
    ),
    key("tls.key_file", Kind::Path, "", "its private key"),
    key(
        "log.format",
        Kind::OneOf(&["json", "text"]),
        "json; text for `up` on a terminal",
        "form of log lines",
    ),
    key(
        "log.filter",
        Kind::Text,
        "info",
        "log directives, e.g. `info,certmill_queue=debug`",
    ),
    key(
        "ca_kek_file",
        Kind::Path,
        "<data_dir>/ca.kek",
        "32 bytes that seal CA keys",
    ),
    key(
        "app_kek_file",
        Kind::Path,
        "<data_dir>/app.kek",
        "32 bytes that seal the other secrets",
    ),
    key(
        "ca_kek_next_file",
        Kind::Path,
        "<ca_kek_file>.next",
        "a second such key while keys are rotated",
    ),
    key(
        "app_kek_next_file",
        Kind::Path,
        "<app_kek_file>.next",
        "a second such key while keys are rotated",
    ),
    key(
        "kek_poll_ms",
        whole(100, HOUR_MS),
        "10000",
        "how often a running process looks at its key files",
    ),
    key(
        "bootstrap_token_file",
        Kind::Path,
        "",
        "file of the one-time token for the first admin's key, mode 0600",
    ),
    key(
        "worker.name",
        Kind::Text,
        "<host>-<pid>",
        "name of this process in the cluster",
    ),
    key(
        "worker.queues",
        Kind::List,
        "*",
        "lanes to claim from, names or globs",
    ),
    key(
        "worker.concurrency",
        whole(1, 10_000),
        "50",
        "jobs that run at once",
    ),
    key(
        "worker.drain_and_exit",
        Kind::Bool,
        "false",
        "a worker ends when nothing is due in its lanes and nothing runs",
    ),
    key(
        "process.lease_ms",
        whole(500, HOUR_MS),
        "30000",
        "a process silent for so long is dead",
    ),
    key(
        "process.beat_ms",
        whole(50, HOUR_MS),
        "8000",
        "period of its beats",
    ),
    key(
        "process.rescue_ms",
        whole(50, HOUR_MS),
        "process.lease_ms / 3",
        "period of the search for lost jobs",
    ),
    key(
        "leader.lease_ms",
        whole(500, HOUR_MS),
        "15000",
        "leadership lease, renewed every third of it",
    ),
    key(
        "schedule.renewal_slot_ms",
        whole(500, 24 * HOUR_MS),
        "60000",
        "period of the renewal sweep",
    ),
    key(
        "job.deadline_ms",
        whole(1000, 24 * HOUR_MS),
        "600000",
        "a job that runs longer is taken away",
    ),
    key(
        "job.keep_completed_days",
        whole(1, 3650),
        "14",
        "days that completed jobs stay in the history",
    ),
    key(
        "job.keep_ended_days",
        whole(1, 3650),
        "90",
        "days that discarded and cancelled jobs and failed attempts stay",
    ),
    key(
        "wake",
        Kind::OneOf(&["notify", "poll"]),
        "notify",
        "how idle workers learn of jobs",
    ),
    key("poll_ms", whole(10, HOUR_MS), "1000", "period of the poll"),
    key(
        "shutdown_grace_ms",
        whole(0, HOUR_MS),
        "25000",
        "time to drain after SIGTERM",
    ),
    key(
        "migrate_at_boot",
        Kind::Bool,
        "true",
        "false where a hook runs `certmill migrate`",
    ),
    key(
        "acknowledge_sealed_keys",
        Kind::Bool,
        "false",
        "allow profiles whose keys the server makes and keeps",
    ),
    key(
        "api.rate_per_s",
        whole(1, 1_000_000),
        "1000",
        "requests a second for each API key; five times that for each address",
    ),
    key(
        "api.burst",
        whole(1, 1_000_000),
        "2000",
        "requests at once for each API key; five times that for each address",
    ),
    key(
        "api.body_limit_bytes",
        whole(1024, 1 << 30),
        "1048576",
        "largest request body",
    ),
    key(
        "api.request_timeout_ms",
        whole(100, HOUR_MS),
        "30000",
        "longest time for a request",
    ),
    key(
        "limits.backend",
        Kind::OneOf(&["postgres", "memory"]),
        "postgres",
        "where the api keeps the limits of keys, addresses and guesses; `memory` with one api only",
    ),
];

/// Faults on purpose, for the process test; they do not exist in release builds.
const FAILPOINTS: &[Key] = &[
    key(
        "failpoints.finish_delay_ms_max",
        whole(0, 60_000),
        "0",
        "longest sleep between effect and finish",
    ),
    key(
        "failpoints.finish_delay_share",
        Kind::Share,
        "0",
        "share of jobs that sleep, 0 to 1",
    ),
    key(
        "failpoints.unfenced_finish",
        Kind::Bool,
        "false",
        "finish without the fence",
    ),
];

/// All keys of this build.
pub(crate) fn all() -> impl Iterator<Item = &'static Key> {
    let failpoints = if cfg!(debug_assertions) {
        FAILPOINTS
    } else {
        &[]
    };
    KEYS.iter().chain(failpoints)
}

/// A key by name; `<secret>_file` counts as its secret's second name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    all().find(|key| {
        key.name == name
            || (key.kind == Kind::Secret && name.strip_suffix("_file") == Some(key.name))
    })
}

/// Every name that may be written, for suggestions.
pub(crate) fn names() -> impl Iterator<Item = String> {
    all().flat_map(|key| {
        let file = (key.kind == Kind::Secret).then(|| format!("{}_file", key.name));
        std::iter::once(key.name.to_owned()).chain(file)
    })
}

/// The environment variable of a key: `worker.name` is `CERTMILL_WORKER__NAME`.
pub(crate) fn env_name(name: &str) -> String {
    format!("CERTMILL_{}", name.replace('.', "__").to_uppercase())
}

/// One row of the reference page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReferenceRow {
    pub(crate) key: &'static str,
    pub(crate) form: String,
    /// Empty means none.
    pub(crate) default: &'static str,
    pub(crate) meaning: &'static str,
}

pub(crate) fn reference() -> Vec<ReferenceRow> {
    KEYS.iter()
        .map(|key| ReferenceRow {
            key: key.name,
            form: match key.kind {
                Kind::Text => "text".to_owned(),
                Kind::Secret => format!("secret, or its file in `{}_file`", key.name),
                Kind::Path => "path".to_owned(),
                Kind::List => "list of texts".to_owned(),
                Kind::Bool => "true or false".to_owned(),
                Kind::Whole { least, most } => format!("{least}..{most}"),
                Kind::Share => "0.0..1.0".to_owned(),
                Kind::OneOf(words) => words.join(", "),
            },
            default: key.default,
            meaning: key.meaning,
        })
        .collect()
}
