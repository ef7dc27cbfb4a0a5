//! Profiles: listed, and made by admins.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use certmill_domain::ids::ProfileId;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::profile::KeySource;
use certmill_domain::renewal::RenewalRule;
use certmill_service::{Caller, profiles};
use certmill_wire::{
    FieldError, Page, Paging, Problem, ProblemCode, ProfileRequest, ProfileView, RenewalView,
};
use http::StatusCode;
use time::Duration;
use uuid::Uuid;

use crate::app::App;
use crate::body::Json;
use crate::contract::{Answer, Header, Operation};
use crate::listing::{Listing, Pairs};
use crate::{Error, views};

pub(super) const LIST: Operation = Operation::new(
    "profiles.list",
    "Lists profiles.",
    include_str!("examples/profiles.list.json"),
)
.lists::<Paging>()
.answers(&[Answer::json::<Page<ProfileView>>(200, "A page of them.").with(&[Header::LINK])]);

/// `GET /api/v1/profiles`
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Pairs,
) -> Result<Response, Error> {
    let paging = Paging::from_pairs(query.pairs.clone())?;
    let listing = Listing::new(&app, &caller, query, Vec::new(), paging);
    let after = listing.after()?.map(|id| ProfileId(Uuid::from_bytes(id)));
    let rows = profiles::list(&app.context, &caller, after, listing.rows().into()).await?;
    Ok(listing.page(rows, |row| row.profile.id.0.into_bytes(), views::profile))
}

pub(super) const ADD: Operation = Operation::new(
    "profiles.add",
    "Makes a profile.",
    include_str!("examples/profiles.add.json"),
)
.takes::<ProfileRequest>()
.answers(&[Answer::json::<ProfileView>(201, "The profile.")])
.refuses(&[
    (ProblemCode::AlreadyExists, "profile_exists"),
    (ProblemCode::Conflict, "server_setup"),
]);

/// `POST /api/v1/profiles`
pub(super) async fn add(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Json<ProfileRequest>,
) -> Result<Response, Error> {
    let made = profiles::add(&app.context, &caller, ask(body.value)?).await?;
    Ok((StatusCode::CREATED, axum::Json(views::profile(made))).into_response())
}

/// The service's ask, or the words that name nothing.
fn ask(request: ProfileRequest) -> Result<profiles::Ask, Error> {
    let mut faults = Vec::new();
    let mut key_algorithms = Vec::new();
    for (place, word) in request
        .key_algorithms
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        match word.parse::<KeyAlgorithm>() {
            Ok(algorithm) => key_algorithms.push(algorithm),
            Err(why) => {
                let at = format!("/key_algorithms/{place}");
                faults.push(FieldError::new(
                    at,
                    "key_algorithm_unknown",
                    why.to_string(),
                ));
            }
        }
    }
    let key_source = match request
        .key_source
        .as_deref()
        .unwrap_or("csr")
        .parse::<KeySource>()
    {
        Ok(source) => source,
        Err(why) => {
            faults.push(FieldError::new("/key_source", why.code(), why.to_string()));
            KeySource::Csr
        }
    };
    if !faults.is_empty() {
        return Err(Problem::of_fields(ProblemCode::InvalidRequest, faults).into());
    }
    Ok(profiles::Ask {
        name: request.name,
        issuer: request.issuer,
        lifetime: Duration::seconds(request.lifetime_s),
        key_algorithms,
        key_source,
        renewal: renewal(request.renew),
        allowed_names: request.allowed_names.unwrap_or_default(),
    })
}

fn renewal(asked: Option<RenewalView>) -> RenewalRule {
    match asked {
        Some(RenewalView {
            fraction: Some(fraction),
            ..
        }) => RenewalRule::Fraction(fraction),
        Some(RenewalView {
            before_s: Some(seconds),
            ..
        }) => RenewalRule::Before(Duration::seconds(seconds)),
        _ => RenewalRule::default(),
    }
}
