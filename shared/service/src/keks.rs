//! Which key-encryption keys a process must have, and what it does when they change while it runs.
//!
//! Invariant: a process holds every registered key of its purpose or does not start, and it seals
//! under the one that the database names.

use crate::Error;
use crate::context::begin;
use certmill_crypto::seal::{Kek, KekId, Keyring, LiveKeyring};
use certmill_pg::Pool;
use certmill_store::kek;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The keyring of a purpose (`ca` or `app`) from what was loaded: it opens with all, and seals under
/// the key that the database names. In a database that knows none yet the first one seals.
///
/// # Errors
/// [`Error::Misconfigured`] naming the id of a registered key that was not loaded.
pub async fn keyring(pool: &Pool, purpose: &str, loaded: Vec<Arc<Kek>>) -> Result<Keyring, Error> {
    let mut tx = begin(pool).await?;
    let known = kek::known(&mut tx, purpose).await?;
    require_all(purpose, &known, &loaded)?;
    let sealing = match known.iter().find(|one| one.seals) {
        Some(named) => parse(&named.id)?,
        None => match loaded.first() {
            Some(first) => first.id(),
            None => return Err(missing(purpose, "any", &loaded)),
        },
    };
    Keyring::sealing_with(sealing, loaded.iter().cloned())
        .ok_or_else(|| missing(purpose, &sealing.to_string(), &loaded))
}

/// Refuses keys that lack one that this database was written with.
///
/// # Errors
/// [`Error::Misconfigured`] naming the id of the key that is missing.
pub(crate) fn require_all(
    purpose: &str,
    known: &[kek::Kek],
    loaded: &[Arc<Kek>],
) -> Result<(), Error> {
    let lacks = |one: &&kek::Kek| loaded.iter().all(|kek| kek.id().to_string() != one.id);
    match known.iter().find(lacks) {
        Some(lacking) => Err(missing(purpose, &lacking.id, loaded)),
        None => Ok(()),
    }
}

fn missing(purpose: &str, id: &str, loaded: &[Arc<Kek>]) -> Error {
    let ids: Vec<String> = loaded.iter().map(|kek| kek.id().to_string()).collect();
    Error::Misconfigured(format!(
        "the database was written with the {purpose} key {id}, which is not loaded (loaded: {}); \
         put the file of that id in place as {purpose}.kek, or as {purpose}.kek.next while keys \
         are rotated",
        if ids.is_empty() {
            "none".to_owned()
        } else {
            ids.join(", ")
        }
    ))
}

fn parse(id: &str) -> Result<KekId, Error> {
    id.parse()
        .map_err(|_| Error::Misconfigured(format!("the database names {id} as a key id")))
}

/// The keys of one purpose in a running process, and its report of them.
pub struct Holding {
    pool: Pool,
    purpose: &'static str,
    role: &'static str,
    label: String,
    lease: Duration,
    report: Option<Uuid>,
    live: Arc<LiveKeyring>,
}

impl Holding {
    /// Reports the keys, so that a rotation from now on waits for this process, and then compares
    /// them with what the database knows: in this order no rotation slips through in between.
    ///
    /// # Errors
    /// As [`keyring`]; the report is then withdrawn.
    pub async fn begin(
        pool: Pool,
        purpose: &'static str,
        role: &'static str,
        label: &str,
        lease: Duration,
        loaded: Vec<Arc<Kek>>,
    ) -> Result<Self, Error> {
        let first = loaded.first().cloned();
        let only = first.and_then(|kek| Keyring::sealing_with(kek.id(), loaded.iter().cloned()));
        let provisional = only.ok_or_else(|| missing(purpose, "any", &loaded))?;
        let mut holding = Self {
            pool,
            purpose,
            role,
            label: label.to_owned(),
            lease,
            report: None,
            live: Arc::new(LiveKeyring::new(provisional)),
        };
        holding.say(&holding.live.snapshot()).await?;
        match keyring(&holding.pool, purpose, loaded).await {
            Ok(ring) => {
                holding.live.replace(ring);
                holding.say(&holding.live.snapshot()).await?;
                Ok(holding)
            }
            Err(refused) => {
                holding.withdraw().await;
                Err(refused)
            }
        }
    }

    /// The keyring, as it is at each instant.
    #[must_use]
    pub fn live(&self) -> Arc<LiveKeyring> {
        Arc::clone(&self.live)
    }

    /// Takes over what the files hold now. A key that is gone from the files stays in memory while
    /// rows may be sealed under it; a key that was not there before is reported before it is used.
    ///
    /// # Errors
    /// Failures of the database; the keyring stays as it was.
    pub async fn refresh(&mut self, loaded: &[Arc<Kek>]) -> Result<(), Error> {
        let before = self.live.snapshot();
        let all: Vec<Arc<Kek>> = loaded.iter().chain(before.keks()).cloned().collect();
        let candidate = Keyring::sealing_with(before.current().id(), all.iter().cloned());
        self.say(candidate.as_ref().unwrap_or(&before)).await?;
        let known = {
            let mut tx = begin(&self.pool).await?;
            kek::known(&mut tx, self.purpose).await?
        };
        let is_loaded = |id: KekId| loaded.iter().any(|kek| kek.id() == id);
        let is_known = |id: KekId| known.iter().any(|one| one.id == id.to_string());
        let kept = all
            .iter()
            .filter(|kek| is_loaded(kek.id()) || is_known(kek.id()));
        for held in before.ids().filter(|id| is_known(*id) && !is_loaded(*id)) {
            tracing::error!(
                event = "kek_file_gone",
                purpose = self.purpose,
                kek = %held,
                "the file of a key that is still in use is gone or unreadable; it stays in memory, \
                 but this process could not start again: put the file back"
            );
        }
        let Some(named) = known.iter().find(|one| one.seals) else {
            return Ok(());
        };
        let Some(after) = Keyring::sealing_with(parse(&named.id)?, kept.cloned()) else {
            tracing::error!(
                event = "kek_missing",
                purpose = self.purpose,
                kek = %named.id,
                "another key seals now, and this process does not have it; give it the file of that id"
            );
            return Ok(());
        };
        if !before.ids().eq(after.ids()) {
            let ids: Vec<String> = after.ids().map(|id| id.to_string()).collect();
            tracing::info!(
                event = "keyring_changed",
                purpose = self.purpose,
                keks = ids.join(",")
            );
            self.live.replace(after);
            self.say(&self.live.snapshot()).await?;
        }
        Ok(())
    }

    async fn say(&mut self, ring: &Keyring) -> Result<(), Error> {
        let kek_ids: Vec<String> = ring.ids().map(|id| id.to_string()).collect();
        let report = kek::Report {
            holder: self.report,
            role: self.role,
            label: &self.label,
            purpose: self.purpose,
            seals: &ring.current().id().to_string(),
            kek_ids: &kek_ids,
            lease: self.lease,
        };
        let mut conn = self
            .pool
            .acquire()
            .await
            .map_err(|why| Error::Store(why.into()))?;
        self.report = Some(kek::report(&mut conn, &report).await?);
        Ok(())
    }

    /// Ends the report: this process stops. Where the database does not answer, the lease does it.
    pub async fn withdraw(&mut self) {
        let (Some(report), Ok(mut conn)) = (self.report.take(), self.pool.acquire().await) else {
            return;
        };
        if let Err(why) = kek::withdraw(&mut conn, report).await {
            tracing::debug!(event = "kek_report_not_withdrawn", %why);
        }
    }
}
