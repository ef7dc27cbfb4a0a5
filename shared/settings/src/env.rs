//! What the process was started with, as data.
//!
//! Invariant: the process environment is read here and nowhere else, once, at the start.
#![allow(
    clippy::disallowed_methods,
    reason = "the single sanctioned read of the environment"
)]

use std::collections::BTreeMap;
use std::io::IsTerminal as _;

/// The environment of a process; tests build one by hand.
#[derive(Clone, Debug, Default)]
pub struct Env {
    /// Variables by name.
    pub vars: BTreeMap<String, String>,
    /// Whether it runs as root.
    pub is_root: bool,
    /// The name of this host.
    pub host_name: String,
    /// The id of this process.
    pub pid: u32,
    /// Whether stderr is a terminal.
    pub is_terminal: bool,
}

impl Env {
    /// Reads the environment of this process. Variables that are not UTF-8 are taken with their
    /// odd bytes replaced.
    #[must_use]
    pub fn of_process() -> Self {
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        Self {
            vars: std::env::vars_os()
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
            is_root: rustix::process::geteuid().is_root(),
            host_name: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            pid: std::process::id(),
            is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// An environment that holds only these variables.
    #[must_use]
    pub fn with_vars<'a>(vars: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let vars = vars
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            vars: vars.collect(),
            host_name: "host".to_owned(),
            pid: 1,
            ..Self::default()
        }
    }

    /// A variable; an empty one counts as not set, as templates often leave them empty.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}
