//! What tells others that a certificate is revoked, on the worker's side: lists are drawn up and the
//! keys of OCSP responders certified.
//!
//! Invariant: a list holds all that was committed as revoked before its number was drawn; what is
//! committed afterwards enqueues another list.

use crate::Error;
use crate::context::{begin, commit};
use crate::effects::crl::KIND;
use crate::error::or_not_found;
use certmill_crypto::ca::{CaIdentity, CrlPlan, ResponderPlan, RevokedSerial};
use certmill_crypto::keys::PublicKey;
use certmill_crypto::random;
use certmill_domain::ids::TeamId;
use certmill_domain::schedule::AUTHORITY_LANE;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use certmill_pg::Pool;
use certmill_queue::enqueue::{NewJob, enqueue_all};
use certmill_queue::{Hinter, Lease, checkpoint};
use certmill_store::{ca_key, clock, crl, ocsp_responder, revocation};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// How long a list may be kept; half of it is the distance of regular lists.
const CRL_LIFE: Duration = Duration::hours(72);
/// How long a responder's certificate lives; its successor is made after half of it.
pub(crate) const RESPONDER_LIFE: Duration = Duration::days(7);

/// The job that makes a list for an authority, if one is needed when it runs.
#[must_use]
pub fn crl_job(ca_key_id: Uuid) -> NewJob {
    let args = serde_json::json!({ "ca_key_id": ca_key_id });
    let mut job = NewJob::new(TeamId::DEFAULT, AUTHORITY_LANE, KIND, args);
    job.priority = 0;
    job
}

/// Enqueues lists for the authorities that need one; answers how many.
///
/// # Errors
/// [`Error::LeaseLost`]: another worker sweeps.
pub async fn sweep(pool: &Pool, lease: &Lease, hinter: &Hinter) -> Result<usize, Error> {
    let mut tx = begin(pool).await?;
    checkpoint::hold(&mut tx, lease).await?;
    let mut jobs: Vec<NewJob> = Vec::new();
    for (id, der) in crl::due(&mut tx).await? {
        if lists(&der)? {
            jobs.push(swept(id));
        }
    }
    enqueue_all(&mut tx, &jobs).await?;
    crl::forget_old(&mut tx).await?;
    ocsp_responder::forget_old(&mut tx).await?;
    commit(tx).await?;
    if !jobs.is_empty() {
        hinter.hint(AUTHORITY_LANE);
    }
    Ok(jobs.len())
}

/// Whether an authority publishes lists: one that was imported may lack cRLSign.
pub(crate) fn lists(certificate_der: &[u8]) -> Result<bool, Error> {
    CaIdentity::of(certificate_der)
        .map(|identity| identity.signs_crls())
        .map_err(|why| Error::Crypto(why.to_string()))
}

/// The sweep's job has a key, so that sweeps do not pile up where no worker signs.
fn swept(ca_key_id: Uuid) -> NewJob {
    let mut job = crl_job(ca_key_id);
    let mut key = b"crl:".to_vec();
    key.extend_from_slice(ca_key_id.as_bytes());
    job.unique_key = Some(key);
    job
}

/// A list to be signed.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The authority's certificate.
    pub authority_der: Vec<u8>,
    /// The revision that it shows.
    pub revision: i64,
    /// What it says.
    pub plan: CrlPlan,
}

/// Draws up the next list of an authority under the job's fence; `None` where the last one still
/// shows everything and is not half over, or where the authority may sign none.
///
/// # Errors
/// [`Error::LeaseLost`]; [`Error::NotFound`] for no such authority.
pub async fn draw(pool: &Pool, lease: &Lease, ca_key_id: Uuid) -> Result<Option<Draft>, Error> {
    let mut tx = begin(pool).await?;
    checkpoint::hold(&mut tx, lease).await?;
    let authority = ca_key::by_id(&mut tx, ca_key_id)
        .await
        .map_err(or_not_found("authority"))?;
    if !lists(&authority.certificate_der)? {
        return Ok(None);
    }
    let head = crl::take_up(&mut tx, ca_key_id).await?;
    let last = crl::last(&mut tx, ca_key_id).await?;
    // Read under the head's lock: later than every list and not later than the next revocation.
    let now = whole_second(clock::now(&mut tx).await?);
    let stands = last.is_some_and(|last| {
        let half = last.this_update + (last.next_update - last.this_update) / 2;
        last.revision >= head.revision && now < half
    });
    if stands {
        commit(tx).await?;
        return Ok(None);
    }
    let entries =
        revocation::entries(&mut tx, ca_key_id, last.map(|last| last.this_update)).await?;
    let number = crl::draw(&mut tx, ca_key_id).await?;
    commit(tx).await?;
    let revoked = entries.into_iter().map(|entry| RevokedSerial {
        serial: entry.serial,
        revoked_at: entry.revoked_at,
        reason: entry.reason,
    });
    Ok(Some(Draft {
        authority_der: authority.certificate_der,
        revision: head.revision,
        plan: CrlPlan {
            number,
            this_update: now,
            next_update: now + CRL_LIFE,
            revoked: revoked.collect(),
        },
    }))
}

/// A responder's key to be certified.
#[derive(Debug, Clone)]
pub struct ResponderDraft {
    /// The authority.
    pub ca_key_id: Uuid,
    /// Its certificate.
    pub authority_der: Vec<u8>,
    /// What the certificate says.
    pub plan: ResponderPlan,
}

/// Plans the certificate of a responder's key; `None` if it has one already.
///
/// # Errors
/// Failures of the database; [`Error::Crypto`].
pub async fn plan_responder(pool: &Pool, id: Uuid) -> Result<Option<ResponderDraft>, Error> {
    let mut tx = begin(pool).await?;
    let Some(pending) = ocsp_responder::pending(&mut tx, id).await? else {
        return Ok(None);
    };
    let authority = ca_key::by_id(&mut tx, pending.ca_key_id)
        .await
        .map_err(or_not_found("authority"))?;
    let now = clock::now(&mut tx).await?;
    let crypto = |why: &dyn std::fmt::Display| Error::Crypto(why.to_string());
    let public_key = PublicKey::from_spki_der(&pending.spki_der).map_err(|why| crypto(&why))?;
    let bits = random::bytes().map_err(|why| crypto(&why))?;
    Ok(Some(ResponderDraft {
        ca_key_id: pending.ca_key_id,
        authority_der: authority.certificate_der,
        plan: ResponderPlan {
            common_name: format!("{} OCSP responder", authority.name),
            serial: Serial::from_random(bits),
            validity: Validity::plan(now, RESPONDER_LIFE, authority.not_after),
            public_key,
        },
    }))
}

fn whole_second(instant: OffsetDateTime) -> OffsetDateTime {
    instant.replace_nanosecond(0).unwrap_or(instant)
}
