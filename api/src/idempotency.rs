//! The `Idempotency-Key` of a POST, and the mark of a repeated answer.

use certmill_crypto::digest::sha256;
use certmill_service::{Error as Refusal, Idempotency};
use certmill_wire::ProblemCode;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::{Error, problem};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const LONGEST: usize = 255;

/// Reads the header of a request to `route`; `target` and `body` are what a repeat must share.
///
/// # Errors
/// `invalid_idempotency_key`.
pub(crate) fn of(
    headers: &HeaderMap,
    route: &'static str,
    target: &str,
    body: &[u8],
) -> Result<Option<Idempotency>, Error> {
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let visible = |byte: &u8| (0x21..=0x7e).contains(byte);
    let bytes = value.as_bytes();
    let fit = (1..=LONGEST).contains(&bytes.len()) && bytes.iter().all(visible);
    match std::str::from_utf8(bytes) {
        Ok(key) if fit && values.next().is_none() => {
            let body_sha256 = sha256(&[target.as_bytes(), b"\n", body].concat());
            Ok(Some(Idempotency {
                route,
                key: key.to_owned(),
                body_sha256,
            }))
        }
        _ => {
            let detail =
                format!("Idempotency-Key must have 1..{LONGEST} visible ASCII characters, once");
            Err(Error::new(ProblemCode::InvalidIdempotencyKey, detail))
        }
    }
}

/// The failure of a request with this key: a lock that did not come free was most likely a
/// concurrent twin's, whose transaction holds the key's row.
pub(crate) fn failed(key: Option<&Idempotency>, refusal: Refusal) -> Error {
    if key.is_none() || !problem::is_lock_timeout(&refusal) {
        return refusal.into();
    }
    let detail = "a request with this Idempotency-Key is still at work";
    Error::new(ProblemCode::IdempotencyInProgress, detail).with_retry_after_s(1)
}

/// Marks an answer that an earlier request made.
pub(crate) fn mark(headers: &mut HeaderMap, replayed: bool) {
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
}
