//! Who may name what: apalis, SQL, tasks, tickers, clock, environment, processes.
//! Invariant: tests may name everything but apalis; product code only what its place owns.

use super::rule::{Fault, Rule};
use super::rust::{Mention, Parsed};
use super::tree::Text;

/// Paths that belong to some places only.
struct Owned {
    rule: Rule,
    /// A path matches when it is one of these or ends in `::` and one of these;
    /// a pattern that ends in `::` is a crate or type of which any part matches.
    patterns: &'static [&'static str],
    /// Prefixes of paths of files.
    places: &'static [&'static str],
}

const OWNED: [Owned; 6] = [
    Owned {
        rule: Rule::Sql,
        patterns: &["sqlx::", "sqlx_core::", "sqlx_postgres::"],
        places: &[
            "shared/store/",
            "shared/queue/",
            "shared/coordination/",
            "shared/pg/",
            "loadtest/src/checks.rs",
            "loadtest/src/history.rs",
            "loadtest/src/rig/database.rs",
            "loadtest/src/suites/budget/rows.rs",
            "loadtest/src/suites/faults/ledger.rs",
            "loadtest/src/suites/limiter/rows.rs",
            "loadtest/src/suites/queue/",
            "loadtest/src/suites/replicas/rows.rs",
        ],
    },
    Owned {
        rule: Rule::Spawn,
        patterns: &["tokio::spawn", "task::spawn", "task::spawn_local"],
        places: &["shared/tasks/"],
    },
    Owned {
        rule: Rule::Ticker,
        patterns: &["time::interval", "time::interval_at"],
        places: &["shared/tasks/"],
    },
    Owned {
        rule: Rule::Clock,
        patterns: &[
            "OffsetDateTime::now_utc",
            "OffsetDateTime::now_local",
            "UtcDateTime::now",
            "SystemTime::now",
            "Uuid::now_v7",
        ],
        places: &["shared/telemetry/", "loadtest/src/history.rs"],
    },
    Owned {
        rule: Rule::Environment,
        patterns: &["env::var", "env::var_os", "env::vars", "env::vars_os"],
        places: &["shared/settings/", "xtask/"],
    },
    Owned {
        rule: Rule::Process,
        patterns: &["process::Command::"],
        places: &[
            "shared/pg/",
            "connectors/spi/src/runner",
            "loadtest/src/building.rs",
            "shared/tasks/src/process.rs",
            "xtask/",
        ],
    },
];

/// What domain may not touch, whoever else may.
const IMPURE: [&str; 17] = [
    "std::fs::",
    "TcpStream::",
    "TcpListener::",
    "UdpSocket::",
    "ToSocketAddrs::",
    "std::env::",
    "std::process::",
    "std::thread::",
    "tokio::",
    "rand::",
    "getrandom::",
    "reqwest::",
    "SystemTime::now",
    "Instant::now",
    "OffsetDateTime::now_utc",
    "Uuid::new_v4",
    "Uuid::now_v7",
];

const APALIS_PLACES: [&str; 2] = ["shared/queue/src/apalis.rs", "worker/src/runtime.rs"];

/// Programs around other people's queues, outside the workspace: they are built on what we own.
const RIVALS: &str = "loadtest/peers/";

/// Faults of one file.
pub fn check(file: &Text, parsed: &Parsed) -> Vec<Fault> {
    if file.path.starts_with(RIVALS) {
        return Vec::new();
    }
    let mut faults: Vec<Fault> = Vec::new();
    let mut fault = |rule, mention: &Mention, what: String| {
        let known = faults
            .iter()
            .any(|f| f.rule == rule && f.line == mention.line);
        if !known {
            faults.push(Fault::new(rule, &file.path, mention.line, what));
        }
    };
    for mention in &parsed.mentions {
        let path = &mention.path;
        if names_apalis(path) && !APALIS_PLACES.contains(&file.path.as_str()) {
            fault(Rule::Apalis, mention, format!("names `{path}`"));
        }
        if mention.test || file.is_test() {
            continue;
        }
        for owned in &OWNED {
            let home = owned
                .places
                .iter()
                .any(|place| file.path.starts_with(place));
            if !home && owned.patterns.iter().any(|pattern| matches(path, pattern)) {
                fault(owned.rule, mention, format!("names `{path}`"));
            }
        }
        if file.path.starts_with("shared/domain/") && IMPURE.iter().any(|p| matches(path, p)) {
            fault(Rule::Purity, mention, format!("names `{path}`"));
        }
        if file.path.starts_with("worker/") && leads(path) {
            fault(Rule::LeaderLease, mention, format!("names `{path}`"));
        }
    }
    faults
}

fn matches(path: &str, pattern: &str) -> bool {
    match pattern.strip_suffix("::") {
        Some(head) => {
            let whole = format!("::{path}::");
            let crate_only = !head.contains("::");
            if crate_only {
                whole.starts_with(&format!("::{head}::")) && path.contains("::")
            } else {
                whole.contains(&format!("::{head}::"))
            }
        }
        None => path == pattern || path.ends_with(&format!("::{pattern}")),
    }
}

/// Any path that begins in an apalis crate; our own module of that name is reached through ours.
fn names_apalis(path: &str) -> bool {
    let first = path.split("::").next().unwrap_or_default();
    first == "apalis" || first.starts_with("apalis_")
}

fn leads(path: &str) -> bool {
    let coordination = path.starts_with("certmill_coordination::");
    coordination
        && path
            .split("::")
            .any(|part| part.to_lowercase().starts_with("leader"))
}
