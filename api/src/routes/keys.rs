//! API keys: made, looked at, ended, replaced.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use certmill_domain::api_key::{KeyState, OVERLAP};
use certmill_domain::ids::ApiKeyId;
use certmill_service::{Caller, FieldFault, Role, keys};
use certmill_wire::{
    ActionRequest, KeyFilter, KeyRequest, KeyView, NewKeyView, Page, ProblemCode, RotateRequest,
};
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use time::Duration;
use uuid::Uuid;

use crate::app::App;
use crate::body::{self, OptionalJson};
use crate::contract::{Answer, Header, KEY_ID, Operation};
use crate::id::Id;
use crate::listing::{Listing, Pairs, words};
use crate::{Error, idempotency, problem, views};

const MADE: &[Answer] =
    &[Answer::json::<NewKeyView>(201, "The key with its secret.").with(&[Header::NO_STORE])];
const SHOWN_ONCE: &[(ProblemCode, &str)] = &[(ProblemCode::SecretShownOnce, "secret_shown_once")];

pub(super) const ADD: Operation = Operation::new(
    "keys.add",
    "Makes an API key; its secret is shown in this answer and never again.",
    include_str!("examples/keys.add.json"),
)
.takes::<KeyRequest>()
.repeatable()
.answers(MADE)
.refuses(SHOWN_ONCE);

/// `POST /api/v1/keys`
pub(super) async fn add(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: body::Json<KeyRequest>,
) -> Result<Response, Error> {
    let key = idempotency::of(&headers, "POST /api/v1/keys", "", &body.bytes)?;
    let made = keys::add(&app.context, &caller, ask(body.value)?, key.as_ref())
        .await
        .map_err(|refusal| idempotency::failed(key.as_ref(), refusal))?;
    Ok(shown_once(views::made(made)))
}

fn ask(request: KeyRequest) -> Result<keys::Ask, Error> {
    let Some(role) = Role::parse(&request.role) else {
        let why = "unknown role; known are viewer, operator, admin";
        let fault = FieldFault::new("/role", "role_unknown", why);
        return Err(problem::of_fields(vec![fault]).into());
    };
    Ok(keys::Ask {
        name: request.name,
        role,
        life: request.expires_in_s.map(Duration::seconds),
    })
}

pub(super) const LIST: Operation = Operation::new(
    "keys.list",
    "Lists API keys, never their secrets.",
    include_str!("examples/keys.list.json"),
)
.lists::<KeyFilter>()
.answers(&[Answer::json::<Page<KeyView>>(200, "A page of them.").with(&[Header::LINK])]);

/// `GET /api/v1/keys`
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Pairs,
) -> Result<Response, Error> {
    let mut filter = KeyFilter::from_pairs(query.pairs.clone())?;
    let paging = std::mem::take(&mut filter.paging);
    let listing = Listing::new(&app, &caller, query, filter.to_pairs(), paging);
    let after = listing.after()?.map(|id| ApiKeyId(Uuid::from_bytes(id)));
    let wanted = keys::Filter {
        states: words::<KeyState>("state", &filter.state)?,
        names: filter.name,
    };
    let limit = listing.rows().into();
    let rows = keys::list(&app.context, &caller, &wanted, after, limit).await?;
    Ok(listing.page(rows, |row| row.id.0.into_bytes(), views::api_key))
}

pub(super) const SHOW: Operation = Operation::new(
    "keys.show",
    "Shows an API key without its secret.",
    include_str!("examples/keys.show.json"),
)
.of(&[KEY_ID])
.answers(&[Answer::json::<KeyView>(200, "The key.")]);

/// `GET /api/v1/keys/{id}`
pub(super) async fn show(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<ApiKeyId>,
) -> Result<Json<KeyView>, Error> {
    let found = keys::by_id(&app.context, &caller, id).await?;
    Ok(Json(views::api_key(found)))
}

pub(super) const REVOKE: Operation = Operation::new(
    "keys.revoke",
    "Ends an API key at once; every replica refuses it within 5 seconds.",
    include_str!("examples/keys.revoke.json"),
)
.of(&[KEY_ID])
.may_take::<ActionRequest>()
.answers(&[Answer::json::<KeyView>(
    200,
    "The key with its end; a repeat answers as the first time.",
)])
.refuses(&[(ProblemCode::Conflict, "last_admin_key")]);

/// `POST /api/v1/keys/{id}/revoke`
pub(super) async fn revoke(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<ApiKeyId>,
    OptionalJson(body): OptionalJson<ActionRequest>,
) -> Result<Json<KeyView>, Error> {
    let reason = body.value.reason.as_deref();
    let revoked = keys::revoke(&app.context, &caller, id, reason).await?;
    app.principals.forget(id);
    Ok(Json(views::api_key(revoked)))
}

pub(super) const ROTATE: Operation = Operation::new(
    "keys.rotate",
    "Makes the successor of an API key; both are valid until the overlap ends.",
    include_str!("examples/keys.rotate.json"),
)
.of(&[KEY_ID])
.may_take::<RotateRequest>()
.repeatable()
.answers(MADE)
.refuses(&[
    (ProblemCode::SecretShownOnce, "secret_shown_once"),
    (ProblemCode::Conflict, "key_ended"),
    (ProblemCode::Conflict, "key_replaced"),
]);

/// `POST /api/v1/keys/{id}/rotate`
pub(super) async fn rotate(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<ApiKeyId>,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<RotateRequest>,
) -> Result<Response, Error> {
    let route = "POST /api/v1/keys/{id}/rotate";
    let key = idempotency::of(&headers, route, &id.to_string(), &body.bytes)?;
    let overlap = body.value.overlap_s.map_or(OVERLAP, Duration::seconds);
    let life = body.value.expires_in_s.map(Duration::seconds);
    let rotated = keys::rotate(&app.context, &caller, id, overlap, life, key.as_ref())
        .await
        .map_err(|refusal| idempotency::failed(key.as_ref(), refusal))?;
    app.principals.forget(id);
    Ok(shown_once(views::rotated(rotated)))
}

/// 201 with a secret, which nothing between here and the client may keep.
pub(super) fn shown_once(view: impl Serialize) -> Response {
    let mut response = (StatusCode::CREATED, Json(view)).into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
