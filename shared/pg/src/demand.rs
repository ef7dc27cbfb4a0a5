//! How many connections the processes on one server may open together.
//!
//! Invariant: each process says so in the name of the one connection that it keeps for its beats,
//! so that the sum covers all databases of the server and ends with the process.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use sqlx::postgres::PgConnectOptions;

use crate::{Pool, Result, vitals};

/// Connections of a process beside its pool: beats, hints, listening.
const BESIDE_THE_POOL: u32 = 3;

/// What stands between the role and the number in the name of a connection.
const MARK: &str = " max=";

/// What stands before the mark of the process: `up` beats for two roles and has one pool.
const PROCESS: &str = " of=";

/// Drawn once a process; numbers of processes repeat between hosts and containers.
static OURS: LazyLock<u32> = LazyLock::new(rand::random);

/// What processes may open, against what the server gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// Each live process: its name on the server and how many connections it may open.
    pub processes: Vec<(String, u32)>,
    /// `max_connections` of the server.
    pub max_connections: u32,
    /// Those that the server keeps for others.
    pub reserved: u32,
}

impl Demand {
    /// Reads it from the server.
    ///
    /// # Errors
    /// As any query.
    pub async fn read(pool: &Pool) -> Result<Self> {
        let server = vitals::server(pool).await?;
        let names: Vec<String> = sqlx::query_scalar(
            "SELECT application_name FROM pg_stat_activity \
             WHERE application_name LIKE 'certmill-% max=%' ORDER BY application_name",
        )
        .fetch_all(pool)
        .await?;
        Ok(Self {
            processes: each_once(&names),
            max_connections: server.max_connections,
            reserved: server.reserved,
        })
    }

    /// With a process that is about to start.
    #[must_use]
    pub fn and(mut self, name: &str, pool: &Pool) -> Self {
        self.processes.push((name.to_owned(), most(pool)));
        self
    }

    /// All that the processes may open together.
    #[must_use]
    pub fn sum(&self) -> u32 {
        self.processes.iter().map(|(_, most)| most).sum()
    }

    /// What the server gives to ordinary logins.
    #[must_use]
    pub fn room(&self) -> u32 {
        self.max_connections.saturating_sub(self.reserved)
    }

    /// What is wrong with it: the sum, who makes it up, and what the server gives.
    #[must_use]
    pub fn excess(&self) -> Option<String> {
        if self.sum() <= self.room() {
            return None;
        }
        let each: Vec<String> = self
            .processes
            .iter()
            .map(|(name, most)| format!("{name} {most}"))
            .collect();
        Some(format!(
            "the processes may open {} connections ({}), the server gives {} (max_connections {} \
             less {} reserved)",
            self.sum(),
            each.join(", "),
            self.room(),
            self.max_connections,
            self.reserved
        ))
    }
}

/// The pool's options under a name that says how many connections its process may open.
#[must_use]
pub fn announcing(pool: &Pool) -> PgConnectOptions {
    let options = (*pool.connect_options()).clone();
    let name = options.get_application_name().unwrap_or("certmill");
    let name = format!("{name}{MARK}{}{PROCESS}{:08x}", most(pool), *OURS);
    options.application_name(&name)
}

fn most(pool: &Pool) -> u32 {
    pool.max_connections() + BESIDE_THE_POOL
}

/// The processes behind these names; one that shows several names counts once.
fn each_once(names: &[String]) -> Vec<(String, u32)> {
    let mut seen = BTreeSet::new();
    let is_new = |name: &&String| match name.split_once(PROCESS) {
        Some((_, process)) => seen.insert(process.to_owned()),
        None => true,
    };
    names
        .iter()
        .filter(is_new)
        .filter_map(|name| parse(name))
        .collect()
}

fn parse(name: &str) -> Option<(String, u32)> {
    let (role, rest) = name.split_once(MARK)?;
    let most = rest.split_once(PROCESS).map_or(rest, |(most, _)| most);
    Some((role.to_owned(), most.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_sum_is_compared_with_what_is_left() {
        let demand = |each: u32, n: usize| Demand {
            processes: vec![("certmill-api".into(), each); n],
            max_connections: 100,
            reserved: 3,
        };
        assert_eq!(demand(53, 1).excess(), None);
        let words = demand(53, 8).excess().unwrap();
        assert!(
            words.contains("424") && words.contains("gives 97"),
            "{words}"
        );
        assert_eq!(demand(97, 1).excess(), None);
        assert!(demand(98, 1).excess().is_some());
    }

    #[test]
    fn names_are_read_back_and_a_process_counts_once() {
        let seen = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            each_once(&names).iter().map(|(_, most)| *most).sum::<u32>()
        };
        assert_eq!(
            parse("certmill-api max=53 of=1a"),
            Some(("certmill-api".into(), 53))
        );
        assert_eq!(
            seen(&["certmill-up max=63 of=1a", "certmill-up max=63 of=1a"]),
            63
        );
        assert_eq!(
            seen(&["certmill-up max=63 of=1a", "certmill-up max=63 of=1b"]),
            126
        );
        assert_eq!(seen(&["certmill-api max=5", "certmill-api max=5"]), 10);
        assert_eq!(seen(&["certmill-api", "certmill-api max=x"]), 0);
    }
}
