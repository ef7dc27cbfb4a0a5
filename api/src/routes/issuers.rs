//! Issuers: listed.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use certmill_domain::ids::IssuerId;
use certmill_service::{Caller, issuers};
use certmill_wire::Paging;
use uuid::Uuid;

use crate::app::App;
use crate::listing::{Listing, Pairs};
use crate::{Error, views};

/// `GET /api/v1/issuers`
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Pairs,
) -> Result<Response, Error> {
    let paging = Paging::from_pairs(query.pairs.clone())?;
    let listing = Listing::new(&app, &caller, query, Vec::new(), paging);
    let after = listing.after()?.map(|id| IssuerId(Uuid::from_bytes(id)));
    let rows = issuers::list(&app.context, &caller, after, listing.rows().into()).await?;
    Ok(listing.page(rows, |row| row.id.0.into_bytes(), views::issuer))
}
