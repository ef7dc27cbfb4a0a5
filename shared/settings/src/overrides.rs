//! What the command line says; the strongest layer.
//!
//! Invariant: this crate knows nothing of the parser: the caller fills in what was given.

use std::path::PathBuf;

use crate::layers::Raw;

/// Settings given as flags; `None` (or an empty list) means that the flag was not given.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config`: the TOML file.
    pub config: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<String>,
    /// `--database-url`; refused if it holds a password.
    pub database_url: Option<String>,
    /// `--name`.
    pub name: Option<String>,
    /// `--queues a,b`.
    pub queues: Vec<String>,
    /// `--concurrency`.
    pub concurrency: Option<u32>,
    /// `--drain-and-exit`.
    pub drain_and_exit: bool,
    /// `--log-format`.
    pub log_format: Option<String>,
    /// `--log-filter`.
    pub log_filter: Option<String>,
    /// `--public-name`, repeated.
    pub public_names: Vec<String>,
    /// `--set key=value`: any other key; lists are comma-separated. Secrets are refused here.
    pub set: Vec<(String, String)>,
}

impl Overrides {
    /// The flags that were given, as (flag, key, value).
    pub(crate) fn entries(&self) -> Vec<(String, String, Raw)> {
        let text = |value: &Option<String>| value.clone().map(Raw::Text);
        let list = |value: &[String]| (!value.is_empty()).then(|| Raw::List(value.to_vec()));
        let path = self
            .data_dir
            .as_ref()
            .map(|path| Raw::Text(path.display().to_string()));
        let concurrency = self.concurrency.map(|n| Raw::Text(n.to_string()));
        let drain = self.drain_and_exit.then(|| Raw::Text(true.to_string()));
        let known = [
            ("--data-dir", "data_dir", path),
            ("--listen", "listen", text(&self.listen)),
            ("--database-url", "database_url", text(&self.database_url)),
            ("--name", "worker.name", text(&self.name)),
            ("--queues", "worker.queues", list(&self.queues)),
            ("--concurrency", "worker.concurrency", concurrency),
            ("--drain-and-exit", "worker.drain_and_exit", drain),
            ("--log-format", "log.format", text(&self.log_format)),
            ("--log-filter", "log.filter", text(&self.log_filter)),
            ("--public-name", "public_names", list(&self.public_names)),
        ];
        let known = known.into_iter().filter_map(|(flag, key, value)| {
            value.map(|value| (flag.to_owned(), key.to_owned(), value))
        });
        let set = self.set.iter().map(|(key, value)| {
            (
                format!("--set {key}"),
                key.clone(),
                Raw::Text(value.clone()),
            )
        });
        known.chain(set).collect()
    }
}
