//! What was issued for a certificate: versions, chain, and a key that the server made.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use certmill_domain::ids::CertificateId;
use certmill_service::{Caller, certificates};
use certmill_wire::{MAX_LIMIT, ProblemCode, VersionList};
use http::header::CONTENT_TYPE;
use secrecy::ExposeSecret as _;

use crate::app::App;
use crate::contract::{Answer, CERTIFICATE_ID, Operation};
use crate::id::Id;
use crate::{Error, views};

/// The media type of chains (RFC 8555, section 9.1).
const CHAIN_TYPE: &str = "application/pem-certificate-chain";
const KEY_TYPE: &str = "application/x-pem-file";

pub(super) const VERSIONS: Operation = Operation::new(
    "certificates.versions",
    "Lists the versions of a certificate, newest first, 500 at most.",
    include_str!("examples/certificates.versions.json"),
)
.of(&[CERTIFICATE_ID])
.answers(&[Answer::json::<VersionList>(200, "The versions.")]);

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

pub(super) const CHAIN: Operation = Operation::new(
    "certificates.chain",
    "Gives the current chain in PEM, leaf first, without the root.",
    include_str!("examples/certificates.chain.json"),
)
.of(&[CERTIFICATE_ID])
.answers(&[Answer::text(200, CHAIN_TYPE, "The chain.")])
.refuses(&[(ProblemCode::Conflict, "not_issued")]);

/// `GET /api/v1/certificates/{id}/chain`: PEM, leaf first, without the root.
pub(super) async fn chain(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<CertificateId>,
) -> Result<Response, Error> {
    let pem = certificates::chain_pem(&app.context, &caller, id).await?;
    Ok(([(CONTENT_TYPE, CHAIN_TYPE)], pem).into_response())
}

pub(super) const KEY: Operation = Operation::new(
    "certificates.export_key",
    "Gives the private key in PEM, where the server made it; each look is audited.",
    include_str!("examples/certificates.export_key.json"),
)
.of(&[CERTIFICATE_ID])
.answers(&[Answer::text(200, KEY_TYPE, "The private key.")])
.refuses(&[
    (ProblemCode::Conflict, "key_not_here"),
    (ProblemCode::Conflict, "server_setup"),
]);

/// `GET /api/v1/certificates/{id}/key`: PEM; each look is audited.
pub(super) async fn key(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<CertificateId>,
) -> Result<Response, Error> {
    let pem = certificates::key_pem(&app.context, &caller, id).await?;
    Ok(([(CONTENT_TYPE, KEY_TYPE)], pem.expose_secret().to_owned()).into_response())
}
