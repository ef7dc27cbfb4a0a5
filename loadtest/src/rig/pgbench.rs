//! pgbench, for what the database does without a client of ours.
//!
//! Invariant: it logs in as the application and plans as the application's connections do.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use certmill_pg::PLANNING;
use certmill_pg::embedded::{DATABASE, Login};
use secrecy::ExposeSecret as _;

use super::{Child, Rig};
use crate::say;

/// The program.
#[derive(Clone, Debug)]
pub struct Pgbench(PathBuf);

impl Pgbench {
    /// Where it is; without it, the words say what to do.
    pub fn find() -> Option<Self> {
        let versions = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .flatten();
        let newest = versions
            .filter_map(|entry| {
                let major = entry.file_name().to_str()?.parse::<u32>().ok()?;
                let path = entry.path().join("bin/pgbench");
                path.is_file().then_some((major, path))
            })
            .max();
        if newest.is_none() {
            say::line("left out: pgbench: not installed; apt-get install postgresql");
        }
        newest.map(|(_, path)| Self::at(path))
    }

    /// The program of that path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Starts it with a script, which is written down as `name`, prepared and without a vacuum.
    ///
    /// # Errors
    /// The script cannot be written, or the program not be started.
    pub fn start(&self, rig: &Rig, name: &str, script: &str, args: &[String]) -> Result<Child> {
        let file = rig.path(&format!("{name}.sql"));
        std::fs::write(&file, script)?;
        let mut all: Vec<String> = ["-n", "-M", "prepared", "-f"].map(str::to_owned).into();
        all.push(file.display().to_string());
        all.extend_from_slice(args);
        let (address, password) = apart(rig.login(Login::App, DATABASE).expose_secret())?;
        all.push(address);
        let planning = PLANNING.map(|(setting, value)| format!("-c {setting}={value}"));
        let env = [
            ("PGPASSWORD".to_owned(), password),
            ("PGOPTIONS".to_owned(), planning.join(" ")),
        ];
        Child::start("pgbench", &self.0, &all, &env, &log(rig, name))
    }

    /// Transactions a second, as it told at its end.
    ///
    /// # Errors
    /// It told of none, or some failed.
    pub fn per_second(rig: &Rig, name: &str) -> Result<f64> {
        let text = std::fs::read_to_string(log(rig, name))?;
        per_second(&text).with_context(|| format!("pgbench told of no rate:\n{text}"))
    }
}

fn log(rig: &Rig, name: &str) -> PathBuf {
    rig.path(&format!("{name}.log"))
}

fn per_second(text: &str) -> Option<f64> {
    let failed = text
        .lines()
        .find_map(|line| line.strip_prefix("number of failed transactions: "));
    if failed.is_some_and(|failed| !failed.starts_with("0 ")) {
        return None;
    }
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = "))?;
    rate.split(' ').next()?.parse().ok()
}

/// A statement without its comments and with its parameters replaced, the longest names first.
pub fn inlined(sql: &str, values: &[(&str, &str)]) -> String {
    let bare: Vec<&str> = sql.lines().filter(|line| !line.starts_with("--")).collect();
    let mut text = bare.join("\n");
    for (name, value) in values.iter().rev() {
        text = text.replace(name, value);
    }
    text
}

/// The address without its password, and the password: arguments are seen by everybody.
fn apart(url: &str) -> Result<(String, String)> {
    let parts = url.split_once("://").and_then(|(scheme, rest)| {
        let (login, place) = rest.split_once('@')?;
        let (user, password) = login.split_once(':')?;
        Some((format!("{scheme}://{user}@{place}"), password.to_owned()))
    });
    parts.context("a connection string without login")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_where_nothing_failed() {
        let told = |failed| {
            format!(
                "number of failed transactions: {failed} (0.000%)\n\
                 tps = 12345.678900 (without initial connection time)\n"
            )
        };
        assert_eq!(per_second(&told(0)), Some(12345.6789));
        assert_eq!(per_second(&told(7)), None);
        assert_eq!(per_second(""), None);
    }
}
