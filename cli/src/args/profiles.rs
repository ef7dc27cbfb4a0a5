//! Verbs of profiles.
//!
//! Invariant: at most one rule of renewal comes out.

use std::time::Duration;

use certmill_domain::key::KeyAlgorithm;
use clap::{Args, Subcommand};

use super::PageArgs;
use super::forms::{duration, fraction, key_algorithm};

/// Verbs of profiles.
#[derive(Debug, Subcommand)]
pub enum ProfilesVerb {
    /// Lists profiles.
    List(PageArgs),
    /// Makes a profile.
    Add(AddProfileArgs),
}

/// What `profiles add` takes.
#[derive(Debug, Args)]
pub struct AddProfileArgs {
    /// Its name: a-z, 0-9 and hyphen.
    pub name: String,
    /// How long a version lives: 60s, 720h, 47d.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub lifetime: Duration,
    /// The issuer by name [default: the local one].
    #[arg(long, value_name = "NAME")]
    pub issuer: Option<String>,
    /// Renew so long before the end [default: after two thirds of the life].
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "renew_fraction")]
    pub renew_before: Option<Duration>,
    /// Renew after this share of the life: 0.66.
    #[arg(long, value_name = "SHARE", value_parser = fraction)]
    pub renew_fraction: Option<f64>,
    /// Who makes the private key: the requester (csr) or the server (sealed) [default: csr].
    #[arg(long, value_parser = ["csr", "sealed"])]
    pub key_source: Option<String>,
    /// A subject key that is accepted; repeat for more [default: ecdsa-p256].
    #[arg(long = "key-algorithm", value_name = "NAME", value_parser = key_algorithm)]
    pub key_algorithms: Vec<KeyAlgorithm>,
    /// A name that may be asked for, `*.example.com` for all below; repeat for more [default: all].
    #[arg(long = "allow", value_name = "PATTERN")]
    pub allowed_names: Vec<String>,
}
