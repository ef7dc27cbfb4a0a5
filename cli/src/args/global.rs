//! Flags that stand before or after the verb.
//!
//! Invariant: no flag takes an API key: arguments are visible to every user of the machine.

use std::path::PathBuf;

use clap::Args;

use super::Format;

/// Flags that stand before or after the verb.
#[derive(Clone, Debug, Default, Args)]
pub struct Global {
    /// Folder of keys and certificates of a server on this machine.
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Settings of a role, in TOML.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Form of what is printed: table, json, yaml or jsonl; csv and name where there are rows; toml
    /// of `config show` [default: table].
    #[arg(short, long, global = true, value_name = "FORM")]
    pub output: Option<String>,
    /// Server, https://host:port [env: CERTMILL_URL].
    #[arg(long, global = true, value_name = "URL", alias = "server")]
    pub url: Option<String>,
    /// File of the API key, mode 0600 [env: CERTMILL_API_KEY_FILE].
    #[arg(long, global = true, value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
    /// PEM of the server's trust anchor [env: CERTMILL_CA_FILE].
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

impl Global {
    /// The wanted form. A word that is none was refused before.
    pub fn format(&self) -> Format {
        let word = self.output.as_deref();
        word.and_then(Format::parse).unwrap_or_default()
    }

    /// The first flag given that means nothing to a role.
    pub fn client_only_flag(&self) -> Option<&'static str> {
        let output = self.output.is_some().then_some("--output");
        self.server_flag().or(output)
    }

    /// The first flag given that names a server, where none is talked to.
    pub fn server_flag(&self) -> Option<&'static str> {
        let given = [
            (self.url.is_some(), "--url"),
            (self.api_key_file.is_some(), "--api-key-file"),
            (self.ca_file.is_some(), "--ca-file"),
        ];
        given
            .into_iter()
            .find(|(given, _)| *given)
            .map(|(_, flag)| flag)
    }
}
