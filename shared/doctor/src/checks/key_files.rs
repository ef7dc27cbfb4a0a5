//! Are the key-encryption files here, private, and those that this database was written with?

use std::path::Path;

use certmill_crypto::seal::Kek;
use certmill_pg::Pool;
use certmill_settings::Role;
use certmill_store::kek;

use crate::{Check, Finding, Level, Patient};

const ID: &str = "key_files";
const WHY: &str = "what these keys sealed (keys of authorities, private keys) can be opened by \
                   nothing else; without the files of a database its backup is worth little";

pub const CHECK: Check = Check {
    id: ID,
    look: |patient| Box::pin(look(patient)),
};

async fn look(patient: &Patient) -> Vec<Finding> {
    let settings = &patient.settings;
    let signs = matches!(settings.role, Role::Up | Role::Worker | Role::Migrate);
    let serves = matches!(settings.role, Role::Up | Role::Api | Role::Migrate);
    let mut found = Vec::new();
    for (purpose, file, next, needed) in [
        (
            "ca",
            &settings.ca_kek_file,
            &settings.ca_kek_next_file,
            signs,
        ),
        (
            "app",
            &settings.app_kek_file,
            &settings.app_kek_next_file,
            serves,
        ),
    ] {
        if needed {
            let known = match patient.pool() {
                Some(pool) => registered(pool, purpose).await,
                None => None,
            };
            let (ids, sealing) = ids(known.as_deref());
            let first = judge(purpose, file, ids.as_deref(), settings.role);
            if first.level == Level::Ok {
                found.extend(judge_sealing(purpose, &[file, next], sealing.as_deref()));
            }
            found.push(first);
            found.extend(judge_next(next));
        }
    }
    found
}

async fn registered(pool: &Pool, purpose: &str) -> Option<Vec<kek::Kek>> {
    let mut conn = pool.acquire().await.ok()?;
    kek::known(&mut conn, purpose).await.ok()
}

/// All ids of the database, and the one that seals now.
fn ids(known: Option<&[kek::Kek]>) -> (Option<Vec<String>>, Option<String>) {
    let sealing = known.and_then(|known| known.iter().find(|one| one.seals));
    (
        known.map(|known| known.iter().map(|one| one.id.clone()).collect()),
        sealing.map(|one| one.id.clone()),
    )
}

/// The other key of a rotation: it need not be there, and must be sound where it is.
fn judge_next(next: &Path) -> Option<Finding> {
    match Kek::load(next) {
        Ok(key) => Some(Finding::ok(
            ID,
            format!("{}: key {}, for a rotation", next.display(), key.id()),
        )),
        Err(why) if why.is_missing() => None,
        Err(why) => {
            let fix = "mend what the sentence says; `chmod 600` for the mode";
            Some(Finding::fail(ID, why.to_string(), WHY, fix))
        }
    }
}

/// Somebody else's rotation moved on: what is sealed from now on cannot be opened here.
fn judge_sealing(purpose: &str, files: &[&Path], sealing: Option<&str>) -> Option<Finding> {
    let held: Vec<String> = files
        .iter()
        .filter_map(|file| Kek::load(file).ok())
        .map(|key| key.id().to_string())
        .collect();
    let sealing = sealing.filter(|id| !held.is_empty() && !held.iter().any(|one| one == id))?;
    Some(Finding::fail(
        ID,
        format!("the {purpose} key {sealing} seals now, and is not here"),
        WHY,
        format!("copy the file of that id to {}", files[0].display()),
    ))
}

fn judge(purpose: &str, path: &Path, known: Option<&[String]>, role: Role) -> Finding {
    let file = path.display();
    let key = match Kek::load(path) {
        Ok(key) => key,
        Err(why) if why.is_missing() => {
            let fresh = known.is_none_or(<[String]>::is_empty);
            let what = format!("{file}, the {purpose} key, is not here");
            return match (fresh, role, purpose) {
                (true, Role::Up | Role::Migrate, _) => {
                    Finding::ok(ID, format!("{what}; the first start makes it"))
                }
                (_, Role::Worker, "ca") => Finding::warn(
                    ID,
                    what,
                    "a worker without it leaves jobs that sign to others",
                    "copy ca.kek to one worker at least",
                ),
                _ => Finding::fail(
                    ID,
                    what,
                    WHY,
                    "copy the file from a machine or backup that has it",
                ),
            };
        }
        Err(why) => {
            let fix = "mend what the sentence says; `chmod 600` for the mode";
            return Finding::fail(ID, why.to_string(), WHY, fix);
        }
    };
    let id = key.id().to_string();
    match known {
        Some(known) if !known.is_empty() && !known.contains(&id) => Finding::fail(
            ID,
            format!(
                "{file} has the {purpose} key id {id}, this database was written with {}",
                known.join(", ")
            ),
            WHY,
            "put the file of that id here",
        ),
        Some(_) => Finding::ok(ID, format!("{file}: {purpose} key {id}, known here")),
        None => Finding::ok(ID, format!("{file}: {purpose} key {id}")),
    }
}
