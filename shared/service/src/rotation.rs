//! Rotation of a key-encryption key while the roles serve: everybody reads the new key, then it seals,
//! then everything is sealed anew, then the old one is forgotten.
//!
//! Invariant: each step refuses while the one before it is not complete, and each may be repeated
//! after an end at any line.

use crate::context::{begin, commit};
use crate::{Caller, Error};
use certmill_crypto::seal::{Keyring, Place};
use certmill_pg::{Pool, Tx};
use certmill_store::audit;
use certmill_store::kek::{self, Holder, Kek};
use certmill_store::sealed::{SEALED, SealedColumn};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Rows that one transaction seals anew: short enough that nobody notices the locks.
const BATCH: i64 = 200;

/// A registered key and what hangs on it.
#[derive(Debug, Clone)]
pub struct KekUse {
    /// The key.
    pub kek: Kek,
    /// How many rows of each table are sealed under it.
    pub rows: Vec<(&'static str, i64)>,
    /// How many running processes have it, of all that hold keys of its purpose.
    pub held_by: (usize, usize),
}

/// All registered keys with what hangs on them. Reads all sealed rows.
///
/// # Errors
/// Failures of the database.
pub async fn list(owner: &Pool) -> Result<Vec<KekUse>, Error> {
    let mut tx = begin(owner).await?;
    let mut uses = Vec::new();
    for purpose in ["ca", "app"] {
        let counts = counts(&mut tx, purpose).await?;
        let holders = kek::holders(&mut tx, purpose).await?;
        for kek in kek::known(&mut tx, purpose).await? {
            let having = holders.iter().filter(|one| one.kek_ids.contains(&kek.id));
            uses.push(KekUse {
                rows: counts.get(&kek.id).cloned().unwrap_or_default(),
                held_by: (having.count(), holders.len()),
                kek,
            });
        }
    }
    Ok(uses)
}

async fn counts(
    tx: &mut Tx,
    purpose: &str,
) -> Result<BTreeMap<String, Vec<(&'static str, i64)>>, Error> {
    let mut counts: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for column in SEALED.iter().filter(|column| column.purpose == purpose) {
        for (id, rows) in column.count(&mut *tx).await? {
            counts.entry(id).or_default().push((column.table, rows));
        }
    }
    Ok(counts)
}

/// Lets the key `next` seal from now on. Answers false if it does already.
///
/// # Errors
/// [`Error::Conflict`] `kek_not_everywhere` while a running process does not have it.
pub async fn switch(owner: &Pool, purpose: &str, next: &str) -> Result<bool, Error> {
    let mut tx = begin(owner).await?;
    let known = kek::known(&mut tx, purpose).await?;
    drop(tx);
    if known.iter().any(|one| one.seals && one.id == next) {
        return Ok(false);
    }
    require_everywhere(owner, purpose, next).await?;
    let was_known = known.iter().any(|one| one.id == next);
    let mut tx = begin(owner).await?;
    kek::lock(&mut tx).await?;
    kek::register(&mut tx, next, purpose).await?;
    commit(tx).await?;
    // A process that started meanwhile has either reported before this second look, or it reads
    // the registered ids afterwards and refuses to start without this one.
    if let Err(refused) = require_everywhere(owner, purpose, next).await {
        if !was_known {
            let mut tx = begin(owner).await?;
            kek::forget(&mut tx, next).await?;
            commit(tx).await?;
        }
        return Err(refused);
    }
    let mut tx = begin(owner).await?;
    kek::lock(&mut tx).await?;
    kek::let_seal(&mut tx, next, purpose).await?;
    note(&mut tx, "kek.rotate", next, purpose).await?;
    commit(tx).await?;
    Ok(true)
}

async fn require_everywhere(owner: &Pool, purpose: &str, id: &str) -> Result<(), Error> {
    let mut tx = begin(owner).await?;
    let holders = kek::holders(&mut tx, purpose).await?;
    let without = |one: &&Holder| !one.kek_ids.iter().any(|held| held == id);
    let names = named(holders.iter().filter(without));
    if names.is_empty() {
        return Ok(());
    }
    Err(Error::Conflict {
        code: "kek_not_everywhere",
        detail: format!(
            "the key {id} is not loaded by {names}; put its file there as {purpose}.kek.next and \
             wait for the process to load it (a process that ended counts until its report runs out)"
        ),
    })
}

fn named<'a>(holders: impl Iterator<Item = &'a Holder>) -> String {
    let names: Vec<String> = holders
        .map(|one| format!("{} ({})", one.label, one.role))
        .collect();
    names.join(", ")
}

/// The running processes that still seal with another key of that purpose, named; empty if none.
///
/// # Errors
/// Failures of the database.
pub async fn still_sealing_otherwise(
    owner: &Pool,
    purpose: &str,
    id: &str,
) -> Result<String, Error> {
    let mut tx = begin(owner).await?;
    let holders = kek::holders(&mut tx, purpose).await?;
    Ok(named(holders.iter().filter(|one| one.seals != id)))
}

/// Seals anew everything of a purpose that is not sealed under the current key of `keys`, a small
/// batch a transaction; `progress` hears the table and how many rows were done in it so far. Ends
/// when a whole pass finds nothing. Answers how many rows it sealed.
///
/// # Errors
/// [`Error::Crypto`] naming the first row that does not open; failures of the database. Everything
/// that was committed stays, and a repeat goes on from there.
pub async fn reseal(
    owner: &Pool,
    purpose: &str,
    keys: &Keyring,
    progress: &mut (dyn FnMut(&'static str, u64) + Send),
) -> Result<u64, Error> {
    let mut all = 0;
    for column in SEALED.iter().filter(|column| column.purpose == purpose) {
        let mut done = 0;
        loop {
            let before = done;
            let mut after = None;
            while let Some((last, rows)) = reseal_batch(owner, column, keys, after).await? {
                after = Some(last);
                done += rows;
                progress(column.table, done);
            }
            if done == before {
                break;
            }
        }
        all += done;
    }
    Ok(all)
}

/// One batch after `after`; `None` when there is nothing left behind it.
async fn reseal_batch(
    owner: &Pool,
    column: &SealedColumn,
    keys: &Keyring,
    after: Option<Uuid>,
) -> Result<Option<(Uuid, u64)>, Error> {
    let kek_id = keys.current().id().to_string();
    let mut tx = begin(owner).await?;
    let rows = column.take(&mut tx, after, &kek_id, BATCH).await?;
    let Some((last, _)) = rows.last() else {
        return Ok(None);
    };
    let last = *last;
    let mut sealed = Vec::with_capacity(rows.len());
    for (id, old) in rows {
        let row = id.to_string();
        let place = Place::new(column.table, column.column, &row);
        let again = keys
            .open(place, &old)
            .and_then(|secret| keys.seal(place, &secret))
            .map_err(|why| Error::Crypto(why.to_string()))?;
        sealed.push((id, again));
    }
    column.put(&mut tx, &kek_id, &sealed).await?;
    commit(tx).await?;
    Ok(Some((last, sealed.len() as u64)))
}

/// Forgets a key: no process needs its file any more.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] `kek_seals` if it is the one that seals, `kek_in_use`
/// while rows are sealed under it or a process still seals with it.
pub async fn retire(owner: &Pool, id: &str) -> Result<(), Error> {
    let mut tx = begin(owner).await?;
    kek::lock(&mut tx).await?;
    let mut found = None;
    for purpose in ["ca", "app"] {
        let known = kek::known(&mut tx, purpose).await?;
        found = found.or(known.into_iter().find(|one| one.id == id));
    }
    let kek = found.ok_or(Error::NotFound("key-encryption key"))?;
    if kek.seals {
        return Err(Error::Conflict {
            code: "kek_seals",
            detail: format!("{id} is the key that seals; rotate to another one first"),
        });
    }
    let rows = counts(&mut tx, &kek.purpose).await?;
    if let Some(rows) = rows.get(id) {
        let shown: Vec<String> = rows.iter().map(|(t, n)| format!("{n} of {t}")).collect();
        return Err(Error::Conflict {
            code: "kek_in_use",
            detail: format!(
                "rows are still sealed under {id} ({}); run `certmill kek rotate {}` again",
                shown.join(", "),
                kek.purpose
            ),
        });
    }
    let holders = kek::holders(&mut tx, &kek.purpose).await?;
    let sealing = named(holders.iter().filter(|one| one.seals == id));
    if !sealing.is_empty() {
        return Err(Error::Conflict {
            code: "kek_in_use",
            detail: format!("{sealing} still seals with {id}; wait for it, then try again"),
        });
    }
    kek::forget(&mut tx, id).await?;
    note(&mut tx, "kek.retire", id, &kek.purpose).await?;
    commit(tx).await
}

async fn note(tx: &mut Tx, action: &'static str, id: &str, purpose: &str) -> Result<(), Error> {
    let detail = serde_json::json!({ "purpose": purpose });
    let row = Caller::system("operator").audit(action, id, detail);
    Ok(audit::append(tx, &[row]).await?)
}
