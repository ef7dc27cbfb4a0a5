//! Verbs of certificates.
//!
//! Invariant: names come out normalised, so that two spellings are one certificate.

use std::path::PathBuf;
use std::time::Duration;

use certmill_domain::names::San;
use certmill_domain::revocation::RevocationReason;
use clap::{Args, Subcommand};

use super::PageArgs;
use super::forms::{duration, revocation_reason, san};

/// Verbs of certificates.
#[derive(Debug, Subcommand)]
pub enum CertsVerb {
    /// Requests a certificate; without --csr makes a key in NAME.key.
    Add(AddArgs),
    /// Lists certificates.
    List(ListArgs),
    /// Shows one certificate.
    Show(ShowArgs),
    /// Asks for a new version now.
    Renew(RenewArgs),
    /// Revokes the current version, one version, or all of them.
    // Its own --version names a version of the certificate, not of certmill.
    #[command(disable_version_flag = true)]
    Revoke(RevokeArgs),
    /// Writes the chain to NAME.pem.
    Download(DownloadArgs),
}

/// What `certs add` takes.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// DNS name or address: its name, and its first subject name.
    #[arg(value_parser = san)]
    pub name: San,
    /// A further subject name; repeat for more.
    #[arg(long = "san", value_name = "NAME", value_parser = san)]
    pub sans: Vec<San>,
    /// The profile by name.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// PKCS#10 request (PEM or DER) of a key of your own; `-` reads it from stdin.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "reuse_key"])]
    pub csr: Option<PathBuf>,
    /// Where the new private key goes [default: NAME.key].
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Use the private key that the file holds already.
    #[arg(long)]
    pub reuse_key: bool,
    /// How long to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// Whether and how long to wait.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// Wait until it is done.
    #[arg(long)]
    pub wait: bool,
    /// Wait no longer than this; the request goes on afterwards.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    pub timeout: Duration,
}

/// What `certs list` takes.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only this status: pending, issued, failed; repeat for more.
    #[arg(long, value_parser = ["pending", "issued", "failed"])]
    pub status: Vec<String>,
    /// Only this name; repeat for more.
    #[arg(long)]
    pub name: Vec<String>,
    /// Which part.
    #[command(flatten)]
    pub page: PageArgs,
}

/// What `certs show` takes.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Name or id.
    pub certificate: String,
}

/// What `certs renew` takes.
#[derive(Debug, Args)]
pub struct RenewArgs {
    /// Name or id.
    pub certificate: String,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// PKCS#10 request in PEM with another key of the same names.
    #[arg(long, value_name = "FILE")]
    pub csr: Option<PathBuf>,
    /// How long to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// What `certs revoke` takes.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Name or id.
    pub certificate: String,
    /// Why: unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation or
    /// privilegeWithdrawn (RFC 5280).
    #[arg(long, value_name = "REASON", value_parser = revocation_reason)]
    pub reason: RevocationReason,
    /// Only this version, by its id.
    #[arg(long, value_name = "ID", conflicts_with = "all_versions")]
    pub version: Option<String>,
    /// All versions that have not ended.
    #[arg(long)]
    pub all_versions: bool,
    /// More, for the audit.
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// How long to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// What `certs download` takes.
#[derive(Debug, Args)]
pub struct DownloadArgs {
    /// Name or id.
    pub certificate: String,
    /// Folder to write to.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// Also write NAME.key, where the server made the key.
    #[arg(long)]
    pub with_key: bool,
}
