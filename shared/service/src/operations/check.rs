//! Words of a selector or filter that name nothing here: faults with a suggestion.

use crate::effects::KINDS;
use crate::{Error, FieldFault};
use certmill_pg::Connection;
use certmill_queue::selection;

/// Faults of those lanes that do not exist; `pointer` is the place of the nth.
///
/// # Errors
/// Failures of the database.
pub(crate) async fn known_lanes(
    conn: &mut Connection,
    names: &[String],
    pointer: impl Fn(usize) -> String,
) -> Result<Vec<FieldFault>, Error> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let known = selection::lanes_known(&mut *conn).await?;
    Ok(unknown(names, &known, "unknown_lane", "a lane", pointer))
}

/// Faults of those kinds that neither this build knows nor any recent job has.
///
/// # Errors
/// Failures of the database.
pub(crate) async fn known_kinds(
    conn: &mut Connection,
    names: &[String],
    pointer: impl Fn(usize) -> String,
) -> Result<Vec<FieldFault>, Error> {
    let mut known: Vec<String> = KINDS.iter().map(|kind| (*kind).to_owned()).collect();
    if names.iter().all(|name| known.contains(name)) {
        return Ok(Vec::new());
    }
    // A newer build may have enqueued kinds of its own.
    known.extend(selection::kinds_seen(conn).await?);
    Ok(unknown(
        names,
        &known,
        "unknown_kind",
        "a kind of job",
        pointer,
    ))
}

fn unknown(
    names: &[String],
    known: &[String],
    code: &str,
    what: &str,
    pointer: impl Fn(usize) -> String,
) -> Vec<FieldFault> {
    let strange = names.iter().enumerate();
    strange
        .filter(|(_, name)| !known.contains(name))
        .map(|(nth, name)| {
            let shown: String = name.chars().take(64).collect();
            let nearest = certmill_settings::nearest(name, known.iter().map(String::as_str));
            let detail = match nearest {
                Some(word) => format!("`{shown}` is not {what} here; did you mean `{word}`?"),
                None => format!("`{shown}` is not {what} here"),
            };
            FieldFault::new(pointer(nth), code, detail)
        })
        .collect()
}
