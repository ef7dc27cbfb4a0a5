//! The door of the first admin, opened by the token of the operator's file.
//!
//! Invariant: the token is compared in constant time, and a wrong one is counted before it is
//! compared; what decides who was first is the database.

use std::net::SocketAddr;

use axum::Extension;
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use certmill_crypto::token::ApiKey;
use certmill_service::{FieldFault, keys};
use certmill_settings::Secret;
use certmill_wire::{BootstrapRequest, NewKeyView, ProblemCode};
use secrecy::ExposeSecret as _;

use super::keys::shown_once;
use crate::app::App;
use crate::body::Json;
use crate::contract::{Answer, Header, Operation};
use crate::guesses::{self, Guess};
use crate::request_id::RequestId;
use crate::{Error, problem, views};

/// The name of a key whose asker names none.
const NAME: &str = "first-admin";

pub(super) const FIRST: Operation = Operation::new(
    "bootstrap.first",
    "Makes the first admin's key with the bootstrap token, and closes this door for good.",
    include_str!("examples/bootstrap.first.json"),
)
.takes::<BootstrapRequest>()
.answers(&[Answer::json::<NewKeyView>(
    201,
    "The key, with its secret unless the client brought its own.",
)
.with(&[Header::NO_STORE])])
.refuses(&[
    (ProblemCode::Unauthenticated, "bootstrap_token_wrong"),
    (ProblemCode::Conflict, "bootstrap_closed"),
]);

/// `POST /api/v1/bootstrap`
pub(super) async fn first(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(stamp): Extension<RequestId>,
    body: Json<BootstrapRequest>,
) -> Result<Response, Error> {
    let _place = app.admission.enter()?;
    let Some(token) = &app.bootstrap_token else {
        let detail = "this server has no bootstrap token";
        return Err(
            Error::finer(ProblemCode::Conflict, "bootstrap_closed", detail).with_hint(
                "the first admin's key is in admin.key of `certmill up`, or set \
                 bootstrap_token_file for the api",
            ),
        );
    };
    guesses::count(&app, peer.ip(), Guess::Token).await?;
    let sent = body.value.token.as_ref();
    if !sent.is_some_and(|sent| token.is(sent.expose_secret())) {
        let detail = "this is not the bootstrap token";
        return Err(Error::finer(
            ProblemCode::Unauthenticated,
            "bootstrap_token_wrong",
            detail,
        )
        .with_hint("copy the content of the server's bootstrap_token_file"));
    }
    let ask = keys::FirstAsk {
        name: body.value.name.unwrap_or_else(|| NAME.to_owned()),
        key: body.value.key.as_ref().map(own_key).transpose()?,
    };
    let first = keys::bootstrap(&app.context, Some(stamp.id), ask).await?;
    Ok(shown_once(views::first(first)))
}

fn own_key(sent: &Secret) -> Result<ApiKey, Error> {
    ApiKey::parse(sent.expose_secret())
        .map_err(|why| problem::of_fields(vec![FieldFault::new("/key", "key_form", why)]).into())
}
