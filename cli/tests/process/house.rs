//! A migrated database with its key files, ready for roles.
//!
//! Invariant: nothing but the settings that [`House::env`] tells leads a role there.

use std::time::Duration;

use certmill_testkit::TestDb;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use crate::child::Child;
use crate::cluster::private_file;

const WITHIN: Duration = Duration::from_secs(40);

/// A folder and a database.
pub struct House {
    pub dir: TempDir,
    has_token: bool,
    pub db: TestDb,
}

impl House {
    /// With a bootstrap token nobody is made admin by the migration.
    pub async fn build(token: Option<&str>) -> Self {
        let (db, dir) = (TestDb::empty().await, tempfile::tempdir().unwrap());
        private_file(&dir.path().join("app.url"), db.app_url().expose_secret());
        private_file(&dir.path().join("own.url"), db.owner_url().expose_secret());
        if let Some(token) = token {
            private_file(&dir.path().join("token"), token);
        }
        let house = Self {
            dir,
            has_token: token.is_some(),
            db,
        };
        let args = ["migrate".to_owned(), "--init".to_owned()];
        let log = house.dir.path().join("migrate.log");
        let mut migrate = Child::start("migrate", &args, &house.env(), &log);
        let status = migrate.exit(WITHIN).await;
        assert!(status.success(), "{}", migrate.tail());
        house
    }

    pub fn path(&self, file: &str) -> String {
        self.dir.path().join(file).display().to_string()
    }

    /// What a role needs in order to run here.
    pub fn env(&self) -> Vec<(String, String)> {
        let mut named = vec![
            ("CERTMILL_DATABASE_URL_FILE", "app.url"),
            ("CERTMILL_MIGRATE_URL_FILE", "own.url"),
            ("CERTMILL_DATA_DIR", "data"),
        ];
        if self.has_token {
            named.push(("CERTMILL_BOOTSTRAP_TOKEN_FILE", "token"));
        }
        let own = |(name, file): (&str, &str)| (name.to_owned(), self.path(file));
        named.into_iter().map(own).collect()
    }
}
