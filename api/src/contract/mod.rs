//! The contract: what each route takes and answers, and the OpenAPI document made of it.
//!
//! Invariant: the document says only what the route table and the wire's types say.

mod answer;
mod codes;
mod document;
mod operation;
mod parameters;
mod refusal;

pub(crate) use answer::{Answer, Header};
pub(crate) use document::document;
pub(crate) use operation::Operation;
pub(crate) use parameters::{
    CERTIFICATE_ID, CUT_ID, JOB_ID, JOB_KIND, KEY_ID, LANE_NAME, OPERATION_ID,
};

use bytes::Bytes;

use crate::routes::Route;

/// The document of a table that may be served, as it is sent.
///
/// # Errors
/// Words about the route that is not fit.
pub(crate) fn of(table: &[Route]) -> Result<Bytes, String> {
    if let Some(why) = refusal::refusal(table) {
        return Err(why);
    }
    let text = serde_json::to_vec(&document(table)?).map_err(|why| why.to_string())?;
    Ok(Bytes::from(text))
}
