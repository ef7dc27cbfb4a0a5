//! What was issued for a certificate: versions, chain, and a key that the server made.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use certmill_domain::ids::CertificateId;
use certmill_service::{Caller, certificates};
use certmill_wire::{MAX_LIMIT, VersionList};
use http::header::CONTENT_TYPE;
use secrecy::ExposeSecret as _;

use crate::app::App;
use crate::id::Id;
use crate::{Error, views};

/// The media type of chains (RFC 8555, section 9.1).
const CHAIN: &str = "application/pem-certificate-chain";
const KEY: &str = "application/x-pem-file";

/// `GET /api/v1/certificates/{id}/versions`: the newest ones.
pub(super) async fn versions(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<CertificateId>,
) -> Result<Json<VersionList>, Error> {
    let most = i64::from(MAX_LIMIT);
    let rows = certificates::versions(&app.context, &caller, id, None, most).await?;
    Ok(Json(VersionList {
        data: rows.iter().map(views::version).collect(),
    }))
}

/// `GET /api/v1/certificates/{id}/chain`: PEM, leaf first, without the root.
pub(super) async fn chain(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<CertificateId>,
) -> Result<Response, Error> {
    let pem = certificates::chain_pem(&app.context, &caller, id).await?;
    Ok(([(CONTENT_TYPE, CHAIN)], pem).into_response())
}

/// `GET /api/v1/certificates/{id}/key`: PEM; each look is audited.
pub(super) async fn key(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<CertificateId>,
) -> Result<Response, Error> {
    let pem = certificates::key_pem(&app.context, &caller, id).await?;
    Ok(([(CONTENT_TYPE, KEY)], pem.expose_secret().to_owned()).into_response())
}
