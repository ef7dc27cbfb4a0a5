//! Ids and names in paths: a wrong form is told apart from an id of nothing.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use certmill_domain::ids::InvalidId;
use certmill_wire::ProblemCode;
use http::request::Parts;

use crate::Error;
use crate::app::App;

/// The longest name, in characters.
const NAME_MAX: usize = 200;

/// A name in a path, such as a lane's.
pub(crate) struct Name(pub String);

impl FromRequestParts<App> for Name {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let invalid = |why: &str| Error::new(ProblemCode::InvalidId, why.to_owned());
        let Path(text) = Path::<String>::from_request_parts(parts, app)
            .await
            .map_err(|_| invalid("the name is not UTF-8"))?;
        if text.chars().any(char::is_control) || text.chars().count() > NAME_MAX {
            return Err(invalid(
                "a name has 1 to 200 characters and no control characters",
            ));
        }
        Ok(Self(text))
    }
}

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
