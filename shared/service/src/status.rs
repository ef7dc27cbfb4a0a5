//! What anybody may ask about revocation: lists, statuses, and the keys that sign the answers.
//!
//! Invariant: statuses come from the rows at the moment of the question; nothing here signs with
//! the key of an authority.

use crate::context::{begin, commit};
use crate::effects::ocsp_responder::KIND;
use crate::publication::RESPONDER_LIFE;
use crate::{Caller, Context, Error};
use certmill_crypto::ca::CaIdentity;
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::ocsp::Responder;
use certmill_crypto::seal::{Keyring, Place};
use certmill_domain::ids::TeamId;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::schedule::AUTHORITY_LANE;
use certmill_pg::Pool;
use certmill_queue::enqueue::{NewJob, enqueue_all};
use certmill_store::audit::NewAudit;
use certmill_store::crl::{self, Served};
use certmill_store::ocsp_responder::{self, NewResponder, Ready};
use certmill_store::revocation::{self, Standing};
use certmill_store::{audit, ca_key, issuer};
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

/// An authority that is asked about.
#[derive(Debug, Clone)]
pub struct Authority {
    /// Its row.
    pub ca_key_id: Uuid,
    /// The row of the authority above it.
    pub parent_id: Option<Uuid>,
    /// What others call it by.
    pub identity: CaIdentity,
}

/// All authorities, the ended ones too: their lists can still be fetched.
///
/// # Errors
/// Failures of the database; [`Error::Crypto`] for a certificate that cannot be read.
pub async fn authorities(pool: &Pool) -> Result<Vec<Authority>, Error> {
    let mut tx = begin(pool).await?;
    let rows = crl::authorities(&mut tx).await?;
    rows.into_iter()
        .map(|(ca_key_id, parent_id, der)| {
            let identity = CaIdentity::of(&der).map_err(|why| crypto(&why))?;
            Ok(Authority {
                ca_key_id,
                parent_id,
                identity,
            })
        })
        .collect()
}

/// The database's clock and the standings of serial numbers under authorities, in their order.
///
/// # Errors
/// Failures of the database.
pub async fn standings(
    pool: &Pool,
    authorities: &[Uuid],
    serials: &[Vec<u8>],
) -> Result<(OffsetDateTime, Vec<Standing>), Error> {
    let mut tx = begin(pool).await?;
    Ok(revocation::standings(&mut tx, authorities, serials).await?)
}

/// The list of an authority as it is served, if there is one.
///
/// # Errors
/// Failures of the database.
pub async fn list(pool: &Pool, ca_key_id: Uuid) -> Result<Option<Served>, Error> {
    let mut tx = begin(pool).await?;
    Ok(crl::served(&mut tx, ca_key_id).await?)
}

/// The certified key of each authority that lasts longest, still sealed.
///
/// # Errors
/// Failures of the database.
pub async fn responders(pool: &Pool) -> Result<Vec<Ready>, Error> {
    let mut tx = begin(pool).await?;
    Ok(ocsp_responder::ready(&mut tx).await?)
}

/// Opens a responder's key with the app KEK.
///
/// # Errors
/// [`Error::Misconfigured`] without an app KEK; [`Error::Crypto`].
pub fn open(context: &Context, ready: &Ready) -> Result<Responder, Error> {
    let row = ready.id.to_string();
    let der = app_keys(context)?
        .open(place(&row), &ready.key_sealed)
        .map_err(|why| crypto(&why))?;
    let key = PrivateKey::from_der(&der).map_err(|why| crypto(&why))?;
    Responder::new(&ready.certificate_der, key).map_err(|why| crypto(&why))
}

/// Makes a key for each authority whose responder is missing or half through its life, and has it
/// certified; answers how many authorities wait. A key that waits already is asked for again, in
/// case its job was lost.
///
/// # Errors
/// [`Error::Misconfigured`] without an app KEK; failures of the database.
pub async fn want_responders(context: &Context) -> Result<usize, Error> {
    let mut tx = context.begin().await?;
    let spare = (RESPONDER_LIFE / 2_i32).as_seconds_f64();
    let wanted = ocsp_responder::wanted(&mut tx, spare).await?;
    let mut jobs = Vec::with_capacity(wanted.len());
    for (ca_key_id, waiting) in &wanted {
        let id = match waiting {
            Some(id) => *id,
            None => {
                let id = ca_key::draw_id(&mut tx).await?;
                let new = new_responder(context, id, *ca_key_id)?;
                if !ocsp_responder::insert(&mut tx, &new).await? {
                    continue;
                }
                id
            }
        };
        jobs.push(job(id));
    }
    enqueue_all(&mut tx, &jobs).await?;
    commit(tx).await?;
    if !jobs.is_empty() {
        context.hinter.hint(AUTHORITY_LANE);
    }
    Ok(wanted.len())
}

fn job(responder_id: Uuid) -> NewJob {
    let args = serde_json::json!({ "responder_id": responder_id });
    let mut job = NewJob::new(TeamId::DEFAULT, AUTHORITY_LANE, KIND, args);
    let mut key = b"ocsp_responder:".to_vec();
    key.extend_from_slice(responder_id.as_bytes());
    job.unique_key = Some(key);
    job.priority = 1;
    job
}

fn new_responder(context: &Context, id: Uuid, ca_key_id: Uuid) -> Result<NewResponder, Error> {
    let keyring = app_keys(context)?;
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).map_err(|why| crypto(&why))?;
    let row = id.to_string();
    let key_sealed = keyring
        .seal(place(&row), key.pkcs8_der())
        .map_err(|why| crypto(&why))?;
    Ok(NewResponder {
        id,
        ca_key_id,
        spki_der: key.public_key().spki_der().to_vec(),
        kek_id: keyring.current().id().to_string(),
        key_sealed,
    })
}

fn place(row: &str) -> Place<'_> {
    Place::new("ocsp_responder", "key_sealed", row)
}

/// Has every local issuer name this base in the certificates that it signs from now on.
///
/// # Errors
/// Failures of the database.
pub async fn publish_url(context: &Context, url: &str) -> Result<usize, Error> {
    let mut tx = context.begin().await?;
    let changed = issuer::set_revocation_url(&mut tx, url).await?;
    let audits: Vec<NewAudit> = changed
        .iter()
        .map(|(id, team_id)| {
            let detail = serde_json::json!({ "revocation_url": url });
            Caller::system_for("api", *team_id).audit("issuer.update", id, detail)
        })
        .collect();
    audit::append(&mut tx, &audits).await?;
    commit(tx).await?;
    Ok(changed.len())
}

fn app_keys(context: &Context) -> Result<Arc<Keyring>, Error> {
    let live = context.app_keys.as_deref().ok_or_else(|| {
        Error::Misconfigured("this server has no app.kek, so it cannot answer OCSP".into())
    })?;
    Ok(live.snapshot())
}

fn crypto(why: &dyn std::fmt::Display) -> Error {
    Error::Crypto(why.to_string())
}
