//! Repeated POSTs: the first answer is stored in the transaction of its effect and given again.

use crate::{Caller, Error};
use certmill_pg::{Pool, Tx};
use certmill_store::idempotency::{self as rows, Reservation};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The client's key for one POST, with what it was used for.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The route it was sent to.
    pub route: &'static str,
    /// The `Idempotency-Key` header.
    pub key: String,
    /// SHA-256 of the body.
    pub body_sha256: [u8; 32],
}

/// An outcome, made now or found again.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// The outcome.
    pub value: T,
    /// Whether an earlier request with the same key made it.
    pub replayed: bool,
}

/// Most keys that one statement forgets.
const FORGET_STEP: i64 = 1_000;

/// Forgets keys that are older than a day, some of them; how many went.
pub(crate) async fn forget_old(pool: &Pool) -> Result<u64, Error> {
    let mut tx = crate::context::begin(pool).await?;
    let gone = rows::forget_old(&mut tx, FORGET_STEP).await?;
    crate::context::commit(tx).await?;
    Ok(gone)
}

/// Reserves the key inside `tx`; `Some` is the stored outcome of the first request.
pub(crate) async fn replay<T: DeserializeOwned>(
    tx: &mut Tx,
    caller: &Caller,
    idempotency: Option<&Idempotency>,
) -> Result<Option<T>, Error> {
    let Some(used) = idempotency else {
        return Ok(None);
    };
    match rows::reserve(
        &mut *tx,
        &caller.actor,
        used.route,
        &used.key,
        &used.body_sha256,
    )
    .await?
    {
        Reservation::Fresh => Ok(None),
        Reservation::Mismatch => Err(Error::IdempotencyMismatch),
        Reservation::Replay(stored) => serde_json::from_value(stored)
            .map(Some)
            .map_err(|why| Error::Store(certmill_store::Error::Corrupt(why.to_string()))),
    }
}

/// Stores the outcome under the key, before `tx` commits.
pub(crate) async fn remember<T: Serialize + Sync>(
    tx: &mut Tx,
    caller: &Caller,
    idempotency: Option<&Idempotency>,
    value: &T,
) -> Result<(), Error> {
    let Some(used) = idempotency else {
        return Ok(());
    };
    let stored = serde_json::to_value(value)
        .map_err(|why| Error::Store(certmill_store::Error::Corrupt(why.to_string())))?;
    Ok(rows::store(&mut *tx, &caller.actor, used.route, &used.key, &stored).await?)
}
