//! The folder of a run: logins, key files, and what each process of ours is told.
//!
//! Invariant: it goes with this value, unless it is kept; the files with secrets are for this user alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use certmill_pg::embedded::{Embedded, EmbeddedOptions};
use certmill_settings::{Env, default_cache_dir};
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;

use super::{Child, Door};

const MIGRATED_WITHIN: Duration = Duration::from_secs(60);

/// A folder, and the settings of every process in it.
pub struct House {
    folder: TempDir,
    settings: Vec<(String, String)>,
}

impl House {
    /// Makes the folder.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn build(
        prefix: &str,
        settings: impl IntoIterator<Item = (&'static str, &'static str)>,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(prefix).tempdir()?;
        // The server runs as another user, who has to get into the folder.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
        let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Ok(Self {
            folder,
            settings: settings.into_iter().map(own).collect(),
        })
    }

    /// A server in the folder.
    pub fn server(&self) -> EmbeddedOptions {
        EmbeddedOptions::new(self.path("pg"), default_cache_dir(&Env::of_process()))
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes the schema, and the key files with it, by this program.
    ///
    /// # Errors
    /// The migration fails; the words hold the end of its log.
    pub async fn migrate(&self, program: &Path, server: &Embedded) -> Result<()> {
        private_file(&self.path("database.url"), &server.app_url())?;
        private_file(&self.path("migrate.url"), &server.owner_url())?;
        let mut args = vec!["migrate".to_owned(), "--init".to_owned()];
        args.extend(self.args("keys"));
        let owner = self.path("migrate.url").display().to_string();
        let env = [
            self.url_file("database.url"),
            ("CERTMILL_MIGRATE_URL_FILE".to_owned(), owner),
        ];
        let log = self.path("migrate.log");
        let mut child = Child::start("migrate", program, &args, &env, &log)?;
        child.ended_well(MIGRATED_WITHIN).await
    }

    /// The variable that leads a process to its login in this file of the folder.
    pub fn url_file(&self, name: &str) -> (String, String) {
        let path = self.path(name).display().to_string();
        ("CERTMILL_DATABASE_URL_FILE".to_owned(), path)
    }

    /// What the process of this name is told besides its role.
    pub fn args(&self, name: &str) -> Vec<String> {
        let path = |file: &str| self.path(file).display().to_string();
        let mut args = vec!["--data-dir".to_owned(), path(name)];
        args.extend(["--log-format".to_owned(), "json".to_owned()]);
        let keys = [
            ("ca_kek_file", "keys/ca.kek"),
            ("app_kek_file", "keys/app.kek"),
        ];
        let keys = keys.map(|(key, file)| (key.to_owned(), path(file)));
        for (key, value) in self.settings.iter().chain(&keys) {
            args.extend(["--set".to_owned(), format!("{key}={value}")]);
        }
        args
    }

    /// How the API at this address is reached; `root` is the certificate that its own one leads to.
    ///
    /// # Errors
    /// The key file of the first admin is not there.
    pub fn door(&self, listen: &str, root: &[u8]) -> Result<Door> {
        let key = fs::read_to_string(self.path("keys/admin.key")).context("the admin key")?;
        Ok(Door {
            url: format!("https://{listen}"),
            key: SecretString::from(key.trim().to_owned()),
            root_pem: certmill_crypto::chain::certificate_pem(root),
        })
    }

    /// Leaves the folder behind; answers where it is.
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

/// Writes a file that only this user reads.
///
/// # Errors
/// It cannot be written.
pub fn private_file(path: &Path, text: &SecretString) -> Result<()> {
    fs::write(path, text.expose_secret())?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
