//! Ids in paths: a wrong form is told apart from an id of nothing.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use certmill_domain::ids::InvalidId;
use certmill_wire::ProblemCode;
use http::request::Parts;

use crate::Error;
use crate::app::App;

/// The `{id}` of a path.
pub(crate) struct Id<T>(pub T);

impl<T: FromStr<Err = InvalidId>> FromRequestParts<App> for Id<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let invalid = |why: String| Error::new(ProblemCode::InvalidId, why);
        let Path(text) = Path::<String>::from_request_parts(parts, app)
            .await
            .map_err(|_| invalid("the id is not UTF-8".to_owned()))?;
        text.parse()
            .map(Self)
            .map_err(|error| invalid(error.to_string()))
    }
}
