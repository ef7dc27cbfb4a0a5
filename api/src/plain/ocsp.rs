//! OCSP over HTTP (RFC 6960, appendix A; RFC 5019).
//!
//! Invariant: every answer is an OCSP response with status 200, whatever was sent and whatever
//! fails here; only a body of another media type is told by HTTP alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use certmill_crypto::ocsp::{
    Answer, CertId, CertificateStatus, Refusal, Request as Question, Responder, Stated,
};
use certmill_service::status::{self, Authority};
use certmill_store::revocation::Standing;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use time::OffsetDateTime;
use tokio::sync::SemaphorePermit;
use uuid::Uuid;

use super::answers::Signed;
use super::book::Book;
use super::reply::{self, Freshness};
use super::{Plain, asked};

const REQUEST: &str = "application/ocsp-request";
const RESPONSE: &str = "application/ocsp-response";
const BODY_MAX: usize = 4 * 1024;
const BODY_WITHIN: Duration = Duration::from_secs(5);
/// How long a question waits for its turn at the database.
const TURN_WITHIN: Duration = Duration::from_millis(500);
/// How long an answer may be believed.
const ANSWER_LIFE: time::Duration = time::Duration::minutes(10);
/// How long caches may keep it.
const MAX_AGE_S: i64 = 60;

/// A request in the path.
pub(super) async fn of_path(plain: &Plain, encoded: &str) -> Response {
    if encoded.len() > BODY_MAX {
        return refused(Refusal::MalformedRequest);
    }
    let Some(der) = asked::decode(encoded) else {
        return refused(Refusal::MalformedRequest);
    };
    match answer(plain, &der).await {
        Ok((bytes, Some(fresh))) => reply::bytes(RESPONSE, bytes, Some(&fresh)),
        Ok((bytes, None)) => reply::bytes(RESPONSE, bytes, None),
        Err(refusal) => refused(refusal),
    }
}

/// A request in the body; answers to POST are not kept by caches.
pub(super) async fn of_body(plain: &Plain, request: Request) -> Response {
    let media_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|text| text.split(';').next().unwrap_or_default().trim());
    if !media_type.is_some_and(|text| text.eq_ignore_ascii_case(REQUEST)) {
        return reply::with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let read = axum::body::to_bytes(request.into_body(), BODY_MAX);
    let Ok(Ok(der)) = tokio::time::timeout(BODY_WITHIN, read).await else {
        return refused(Refusal::MalformedRequest);
    };
    match answer(plain, &der).await {
        Ok((bytes, _)) => reply::bytes(RESPONSE, bytes, None),
        Err(refusal) => refused(refusal),
    }
}

fn refused(refusal: Refusal) -> Response {
    reply::bytes(RESPONSE, Bytes::from_static(refusal.der()), None)
}

/// A place at the database, or `None` if there is none in time.
pub(super) async fn place(plain: &Plain) -> Option<SemaphorePermit<'_>> {
    tokio::time::timeout(TURN_WITHIN, plain.questions.acquire())
        .await
        .ok()?
        .ok()
}

async fn answer(plain: &Plain, der: &[u8]) -> Result<(Bytes, Option<Freshness>), Refusal> {
    let question = Question::parse(der).map_err(|_| Refusal::MalformedRequest)?;
    let book = plain.books.current().ok_or(Refusal::TryLater)?;
    let issuers = issuers(&book, &question.ids)?;
    let responder = issuers
        .iter()
        .find_map(|one| book.responders.get(&one.ca_key_id))
        .map(|(_, responder)| Arc::clone(responder))
        .ok_or(Refusal::TryLater)?;
    let key = cache_key(&question.ids)?;
    let asked = Instant::now();
    if question.nonce.is_none()
        && let Some((bytes, fresh)) = plain.answers.recall(&key, asked)
    {
        return Ok((bytes, Some(fresh)));
    }
    let (now, stated) = look(plain, &book, &issuers, &question.ids).await?;
    let has_nonce = question.nonce.is_some();
    let signed = sign(&responder, now, stated, question.nonce)?;
    if has_nonce {
        return Ok((signed.0, None));
    }
    plain.answers.remember(key, asked, signed.clone());
    Ok((signed.0, Some(signed.1)))
}

/// The authorities that are meant: one, but for certificates that share name and key. For others
/// there is no authority to answer (RFC 5019, section 2.2.3).
fn issuers<'a>(book: &'a Book, ids: &[CertId]) -> Result<Vec<&'a Authority>, Refusal> {
    let meant: Vec<&Authority> = book
        .authorities
        .iter()
        .filter(|one| ids.iter().all(|id| id.means(&one.identity)))
        .collect();
    if meant.is_empty() {
        return Err(Refusal::Unauthorized);
    }
    Ok(meant)
}

fn cache_key(ids: &[CertId]) -> Result<Vec<u8>, Refusal> {
    let ders: Result<Vec<Vec<u8>>, _> = ids.iter().map(CertId::der).collect();
    ders.map(|ders| ders.concat())
        .map_err(|_| Refusal::InternalError)
}

async fn look(
    plain: &Plain,
    book: &Book,
    issuers: &[&Authority],
    ids: &[CertId],
) -> Result<(OffsetDateTime, Vec<Stated>), Refusal> {
    let keys: Vec<Uuid> = issuers.iter().map(|one| one.ca_key_id).collect();
    let serials: Vec<Vec<u8>> = ids.iter().map(|id| id.serial().to_vec()).collect();
    let _place = place(plain).await.ok_or(Refusal::TryLater)?;
    let found = status::standings(&plain.context.pool, &keys, &serials).await;
    let (now, standings) = found.map_err(|error| {
        tracing::warn!(event = "status_not_read", %error);
        Refusal::TryLater
    })?;
    let stated = ids.iter().zip(standings).map(|(id, standing)| Stated {
        id: id.clone(),
        status: match standing {
            Standing::Good => CertificateStatus::Good,
            Standing::Revoked(at, reason) => CertificateStatus::Revoked(at, reason),
            Standing::Unknown if is_authority(book, &keys, id.serial()) => CertificateStatus::Good,
            Standing::Unknown => CertificateStatus::Unknown,
        },
    });
    Ok((now, stated.collect()))
}

/// Whether that is the serial number of an authority below one of these.
fn is_authority(book: &Book, above: &[Uuid], serial: &[u8]) -> bool {
    book.authorities.iter().any(|one| {
        one.identity.serial() == serial && one.parent_id.is_some_and(|id| above.contains(&id))
    })
}

fn sign(
    responder: &Responder,
    now: OffsetDateTime,
    stated: Vec<Stated>,
    nonce: Option<Vec<u8>>,
) -> Result<Signed, Refusal> {
    let answer = Answer {
        stated,
        this_update: now,
        next_update: (now + ANSWER_LIFE).min(responder.not_after()),
        nonce,
    };
    let der = responder.sign(&answer).map_err(|error| {
        tracing::error!(event = "ocsp_not_signed", %error);
        Refusal::InternalError
    })?;
    let fresh = Freshness {
        made: now,
        now,
        max_age_s: MAX_AGE_S.min((answer.next_update - now).whole_seconds()),
    };
    Ok((Bytes::from(der), fresh))
}
