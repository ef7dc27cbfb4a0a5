//! Lists: query in, page out.
//!
//! Invariant: one row more than asked for is read, and whether it is there decides if there is
//! a next page; a page never needs a count.

use std::fmt::Display;
use std::str::FromStr;

use axum::Json;
use axum::extract::{FromRequestParts, Query};
use axum::response::{IntoResponse as _, Response};
use certmill_crypto::cursor::{self, Scope};
use certmill_service::Caller;
use certmill_wire::{FieldError, Page, Paging, Problem, ProblemCode};
use http::header::{HeaderValue, LINK};
use http::request::Parts;
use serde::Serialize;

use crate::Error;
use crate::app::App;

/// The decoded parameters of a query, with the path and query as they came.
pub(crate) struct Pairs {
    /// Name and value, in order.
    pub pairs: Vec<(String, String)>,
    path: String,
    query: String,
}

impl FromRequestParts<App> for Pairs {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Error> {
        let Query(pairs) = Query::try_from_uri(&parts.uri)
            .map_err(|_| Error::new(ProblemCode::InvalidQuery, "the query cannot be decoded"))?;
        let query = parts.uri.query().unwrap_or_default().to_owned();
        Ok(Self {
            pairs,
            path: parts.uri.path().to_owned(),
            query,
        })
    }
}

/// One list that is being answered.
pub(crate) struct Listing<'a> {
    app: &'a App,
    caller: &'a Caller,
    path: String,
    query: String,
    filter: Vec<(String, String)>,
    paging: Paging,
}

impl<'a> Listing<'a> {
    /// A list under `filter`, which is the wire's writing of it without paging.
    pub(crate) fn new(
        app: &'a App,
        caller: &'a Caller,
        pairs: Pairs,
        filter: Vec<(String, String)>,
        paging: Paging,
    ) -> Self {
        Self {
            app,
            caller,
            path: pairs.path,
            query: pairs.query,
            filter,
            paging,
        }
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            list: &self.path,
            filter: &self.filter,
            principal: &self.caller.actor,
        }
    }

    /// The key of the row after which the page begins.
    pub(crate) fn after<const N: usize>(&self) -> Result<Option<[u8; N]>, Error> {
        let read = |text: &String| {
            cursor::read::<N>(&self.app.cursor_key, &self.scope(), text).ok_or_else(|| {
                Error::new(
                    ProblemCode::InvalidCursor,
                    "the cursor is not one of this list, filter and key",
                )
                .with_hint("begin again without a cursor")
            })
        };
        self.paging.cursor.as_ref().map(read).transpose()
    }

    /// How many rows to read: one more than the page has.
    pub(crate) fn rows(&self) -> u16 {
        u16::try_from(self.paging.rows() + 1).unwrap_or(u16::MAX)
    }

    /// The page of what was read; `key` names a row in the cursor.
    pub(crate) fn page<R, V: Serialize, const N: usize>(
        &self,
        mut rows: Vec<R>,
        key: impl Fn(&R) -> [u8; N],
        view: impl FnMut(R) -> V,
    ) -> Response {
        let wanted = self.paging.rows() as usize;
        let more = rows.len() > wanted;
        rows.truncate(wanted);
        let last = rows.last().filter(|_| more).map(key);
        let next = last.map(|last| cursor::write(&self.app.cursor_key, &self.scope(), &last));
        let link = next.as_deref().and_then(|cursor| self.link(cursor));
        let page = Page::new(rows.into_iter().map(view).collect(), next);
        let mut response = Json(page).into_response();
        if let Some(link) = link {
            response.headers_mut().insert(LINK, link);
        }
        response
    }

    /// `Link: <..>; rel="next"` (RFC 8288): the same query with the next cursor.
    fn link(&self, cursor: &str) -> Option<HeaderValue> {
        let kept = self
            .query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
        let cursor = format!("cursor={cursor}");
        let query: Vec<&str> = kept.chain([cursor.as_str()]).collect();
        HeaderValue::from_str(&format!(
            "<{}?{}>; rel=\"next\"",
            self.path,
            query.join("&")
        ))
        .ok()
    }
}

/// The words of a filter as values; an unknown one is a fault with its place.
pub(crate) fn words<T>(name: &str, texts: &[String]) -> Result<Vec<T>, Error>
where
    T: FromStr<Err: Display>,
{
    let mut faults = Vec::new();
    let mut values = Vec::with_capacity(texts.len());
    for text in texts {
        match text.parse() {
            Ok(value) => values.push(value),
            Err(why) => {
                faults.push(FieldError::new(
                    format!("?{name}"),
                    "unknown_word",
                    T::Err::to_string(&why),
                ));
            }
        }
    }
    if faults.is_empty() {
        return Ok(values);
    }
    Err(Problem::of_fields(ProblemCode::InvalidQuery, faults).into())
}
