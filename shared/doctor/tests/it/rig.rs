//! A patient on a test database, and what a check says of it.

use std::path::Path;

use certmill_doctor::{CHECKS, Database, Finding, Level, Patient};
use certmill_settings::{Env, Overrides, Role, Secret, Settings};
use certmill_testkit::TestDb;
use secrecy::ExposeSecret as _;

/// Settings of a role with this database and folder, and nothing else.
pub fn settings(role: Role, url: &Secret, folder: &Path) -> Settings {
    let env = Env::with_vars([
        ("CERTMILL_DATABASE_URL", url.expose_secret()),
        ("CERTMILL_DATA_DIR", folder.to_str().unwrap()),
    ]);
    Settings::load(role, &Overrides::default(), &env).unwrap()
}

/// An api's patient on the database, as the application's login.
pub async fn patient(db: &TestDb, folder: &Path) -> Patient {
    Patient::admit(settings(Role::Up, &db.app_url(), folder)).await
}

/// What the check of that id finds.
pub async fn look(patient: &Patient, id: &str) -> Vec<Finding> {
    let check = CHECKS.iter().find(|check| check.id == id).unwrap();
    let found = (check.look)(patient).await;
    assert!(found.iter().all(|finding| finding.id == id), "{found:?}");
    for finding in found.iter().filter(|finding| finding.level != Level::Ok) {
        assert!(
            !finding.why.is_empty() && !finding.fix.is_empty(),
            "{finding:?}"
        );
    }
    found
}

/// The worst level of a check, with its words.
pub async fn worst(patient: &Patient, id: &str) -> (Level, String) {
    let found = look(patient, id).await;
    let worst = found.into_iter().max_by_key(|finding| finding.level);
    let worst = worst.unwrap_or_else(|| match &patient.database {
        Database::Refused(why) => panic!("{id} found nothing: {why}"),
        _ => panic!("{id} found nothing"),
    });
    (worst.level, format!("{}; {}", worst.what, worst.fix))
}
