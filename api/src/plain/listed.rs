//! Lists as workers stored them.
//!
//! Invariant: the bytes are those of the row; a cache may keep them for five minutes and never
//! longer than they say themselves.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use axum::response::Response;
use bytes::Bytes;
use certmill_service::status;
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use uuid::Uuid;

use super::reply::{self, Freshness};
use super::{Plain, ocsp};

/// The media type of CRLs (RFC 2585, section 4.2).
const CRL: &str = "application/pkix-crl";
const MAX_AGE_S: i64 = 300;
/// How long a process serves a list before it looks again.
const LIFE: Duration = Duration::from_secs(2);

/// Lists of the last seconds; there are as many as authorities.
#[derive(Default)]
pub(super) struct Lists(Mutex<HashMap<Uuid, (Instant, Bytes, Freshness)>>);

impl Lists {
    fn recall(&self, id: Uuid) -> Option<(Bytes, Freshness)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, bytes, fresh) = known.get(&id)?;
        (asked.elapsed() < LIFE).then(|| (bytes.clone(), fresh.clone()))
    }

    fn remember(&self, id: Uuid, asked: Instant, bytes: Bytes, fresh: Freshness) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(id, (asked, bytes, fresh));
    }
}

pub(super) async fn answer(plain: &Plain, label: &str, headers: &HeaderMap) -> Response {
    let Some(book) = plain.books.current() else {
        return reply::later();
    };
    let found = book
        .authorities
        .iter()
        .rev()
        .find(|one| one.identity.label() == label);
    let Some(authority) = found else {
        return reply::nothing();
    };
    let id = authority.ca_key_id;
    let (bytes, fresh) = match plain.lists.recall(id) {
        Some(known) => known,
        None => match look(plain, id).await {
            Some(found) => found,
            None => return reply::later(),
        },
    };
    let response = reply::bytes(CRL, bytes, Some(&fresh));
    if is_known(headers, response.headers()) {
        let (mut parts, _) = response.into_parts();
        parts.status = StatusCode::NOT_MODIFIED;
        return Response::from_parts(parts, axum::body::Body::empty());
    }
    response
}

async fn look(plain: &Plain, id: Uuid) -> Option<(Bytes, Freshness)> {
    let asked = Instant::now();
    let _place = ocsp::place(plain).await?;
    let served = match status::list(&plain.context.pool, id).await {
        Ok(served) => served?,
        Err(error) => {
            tracing::warn!(event = "list_not_read", %error);
            return None;
        }
    };
    let left = (served.next_update - served.now).whole_seconds();
    let fresh = Freshness {
        made: served.this_update,
        now: served.now,
        max_age_s: left.clamp(0, MAX_AGE_S),
    };
    let bytes = Bytes::from(served.der);
    plain
        .lists
        .remember(id, asked, bytes.clone(), fresh.clone());
    Some((bytes, fresh))
}

fn is_known(asked: &HeaderMap, answered: &HeaderMap) -> bool {
    let (Some(given), Some(tag)) = (asked.get(IF_NONE_MATCH), answered.get(ETAG)) else {
        return false;
    };
    let given = given.to_str().unwrap_or_default();
    given
        .split(',')
        .any(|one| one.trim().trim_start_matches("W/").as_bytes() == tag.as_bytes())
}
