//! Verbs of API keys.
//!
//! Invariant: no argument is a key; keys come from files and go to files.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::PageArgs;
use super::forms::{duration, span};

/// Verbs of API keys.
#[derive(Debug, Subcommand)]
pub enum KeysVerb {
    /// Makes a key and writes it to a new file.
    Add(AddKeyArgs),
    /// Lists keys, never their secrets.
    List(ListKeysArgs),
    /// Shows one key.
    Show(OneKeyArgs),
    /// Ends a key at once.
    Revoke(RevokeKeyArgs),
    /// Makes a successor; both are valid until the overlap ends.
    Rotate(RotateKeyArgs),
    /// Makes the first admin's key with the server's bootstrap token.
    Bootstrap(BootstrapArgs),
}

/// What `keys add` takes.
#[derive(Debug, Args)]
pub struct AddKeyArgs {
    /// Its name: letters, digits, `.`, `_`, `-`; several keys may share one.
    pub name: String,
    /// What it may do.
    #[arg(long, value_parser = ["viewer", "operator", "admin"])]
    pub role: String,
    /// How long it lives: 12h, 90d [default: without an end].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub expires_in: Option<Duration>,
    /// Where the key goes: a new file of mode 0600, or `-` for stdout.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// What `keys list` takes.
#[derive(Debug, Args)]
pub struct ListKeysArgs {
    /// Only this state; repeat for more.
    #[arg(long, value_parser = ["valid", "expired", "revoked"])]
    pub state: Vec<String>,
    /// Only this name; repeat for more.
    #[arg(long)]
    pub name: Vec<String>,
    /// Which part.
    #[command(flatten)]
    pub page: PageArgs,
}

/// What verbs of one key take.
#[derive(Debug, Args)]
pub struct OneKeyArgs {
    /// Its id (key_..), or its name where one valid key has it.
    #[arg(value_name = "KEY")]
    pub key: String,
}

/// What `keys revoke` takes.
#[derive(Debug, Args)]
pub struct RevokeKeyArgs {
    /// Its id (key_..), or its name where one valid key has it.
    #[arg(value_name = "KEY")]
    pub key: String,
    /// Why; `keys show` tells it.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// What `keys rotate` takes.
#[derive(Debug, Args)]
pub struct RotateKeyArgs {
    /// Its id (key_..), or its name where one valid key has it.
    #[arg(value_name = "KEY")]
    pub key: String,
    /// How long the old one stays valid; 0s ends it now [default: 1d].
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub overlap: Option<Duration>,
    /// How long the new one lives [default: as long as the old one was meant to].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub expires_in: Option<Duration>,
    /// Where the new key goes: a new file of mode 0600, or `-` for stdout.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// What `keys bootstrap` takes.
#[derive(Debug, Args)]
pub struct BootstrapArgs {
    /// File of the token, mode 0600: the content of the server's bootstrap_token_file.
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
    /// Its name [default: first-admin].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Where the key goes: a new file of mode 0600.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}
