//! Issuers: listed.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use certmill_domain::ids::IssuerId;
use certmill_service::{Caller, issuers};
use certmill_wire::{IssuerView, Page, Paging};
use uuid::Uuid;

use crate::app::App;
use crate::contract::{Answer, Header, Operation};
use crate::listing::{Listing, Pairs};
use crate::{Error, views};

pub(super) const LIST: Operation = Operation::new(
    "issuers.list",
    "Lists issuers, without their configuration.",
    include_str!("examples/issuers.list.json"),
)
.lists::<Paging>()
.answers(&[Answer::json::<Page<IssuerView>>(200, "A page of them.").with(&[Header::LINK])]);

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
