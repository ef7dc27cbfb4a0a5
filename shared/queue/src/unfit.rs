//! What a job may be made of.
//!
//! Invariant: what passes here can be stored, read back and claimed; the database never has to refuse a
//! whole batch for one job.

use std::time::Duration;

use serde_json::Value;

use crate::{NewJob, Start};

/// Bytes of a job's arguments at most, as JSON.
pub const ARGS_BYTES_MOST: usize = 1 << 20;
/// Levels of a job's arguments at most.
pub const ARGS_DEPTH_MOST: usize = 128;
/// Bytes of a unique key at most: an index entry of Postgres holds no more than about 2,700.
pub const UNIQUE_KEY_BYTES_MOST: usize = 1024;
/// Bytes of a lane's or kind's name, an object's id or a trace's at most.
pub const TEXT_BYTES_MOST: usize = 200;
/// The last year in which a job may start at an instant.
pub const START_YEAR_MOST: i32 = 9998;
/// The longest time after which a job may start: a hundred years.
pub const START_AFTER_MOST: Duration = Duration::from_secs(36_525 * 86_400);
/// The last priority.
pub const PRIORITY_MOST: i16 = 4;

/// Why a job cannot be enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Its arguments are too large.
    #[error(
        "its arguments are larger than {} bytes; store them elsewhere and name them",
        ARGS_BYTES_MOST
    )]
    ArgsTooLarge,
    /// Its arguments are nested too deep.
    #[error("its arguments are nested deeper than {} levels", ARGS_DEPTH_MOST)]
    ArgsTooDeep,
    /// A text holds a NUL character, which Postgres does not store.
    #[error("its {0} holds a NUL character, which cannot be stored")]
    Nul(&'static str),
    /// A text is empty or too long.
    #[error("its {0} must have 1..{most} bytes", most = TEXT_BYTES_MOST)]
    TextLength(&'static str),
    /// Its unique key is empty or too long.
    #[error(
        "its unique key must have 1..{} bytes; use a hash of it",
        UNIQUE_KEY_BYTES_MOST
    )]
    UniqueKeyLength,
    /// It would start too late to be shown.
    #[error(
        "it would start after the year {}, or in more than a hundred years",
        START_YEAR_MOST
    )]
    StartsTooLate,
    /// Its priority is none.
    #[error("its priority must be 0..{}", PRIORITY_MOST)]
    Priority,
    /// It could never run.
    #[error("it needs at least one attempt")]
    NoAttempt,
}

/// Whether a job can be enqueued.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn check(job: &NewJob) -> Result<(), Unfit> {
    text("lane", &job.queue)?;
    text("kind", &job.kind)?;
    job.object
        .as_deref()
        .map_or(Ok(()), |object| text("object", object))?;
    job.trace_id
        .as_deref()
        .map_or(Ok(()), |trace| text("trace", trace))?;
    if !(0..=PRIORITY_MOST).contains(&job.priority) {
        return Err(Unfit::Priority);
    }
    if job.max_attempts < 1 {
        return Err(Unfit::NoAttempt);
    }
    if let Some(key) = &job.unique_key
        && !(1..=UNIQUE_KEY_BYTES_MOST).contains(&key.len())
    {
        return Err(Unfit::UniqueKeyLength);
    }
    match job.start {
        Start::At(at) if at.year() > START_YEAR_MOST => return Err(Unfit::StartsTooLate),
        Start::After(delay) if delay > START_AFTER_MOST => return Err(Unfit::StartsTooLate),
        Start::At(_) | Start::After(_) | Start::Now => {}
    }
    args(&job.args)
}

fn text(what: &'static str, text: &str) -> Result<(), Unfit> {
    if text.contains('\0') {
        return Err(Unfit::Nul(what));
    }
    match text.len() {
        1..=TEXT_BYTES_MOST => Ok(()),
        _ => Err(Unfit::TextLength(what)),
    }
}

/// Without recursion, since the depth is what is in question. Sizes are those of the shortest JSON, a
/// little too small where characters are escaped.
fn args(args: &Value) -> Result<(), Unfit> {
    let mut bytes = 0;
    let mut open = vec![(args, 1)];
    while let Some((value, depth)) = open.pop() {
        if depth > ARGS_DEPTH_MOST {
            return Err(Unfit::ArgsTooDeep);
        }
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => bytes += 4,
            Value::String(text) => bytes += count(text)?,
            Value::Array(items) => {
                bytes += items.len() + 1;
                open.extend(items.iter().map(|item| (item, depth + 1)));
            }
            Value::Object(members) => {
                for (name, member) in members {
                    bytes += count(name)? + 2;
                    open.push((member, depth + 1));
                }
            }
        }
        if bytes > ARGS_BYTES_MOST {
            return Err(Unfit::ArgsTooLarge);
        }
    }
    Ok(())
}

fn count(text: &str) -> Result<usize, Unfit> {
    if text.contains('\0') {
        return Err(Unfit::Nul("arguments"));
    }
    Ok(text.len() + 2)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::TeamId;

    fn deep(levels: usize) -> Value {
        (1..levels).fold(json!([]), |inner, _| Value::Array(vec![inner]))
    }

    /// Level by level: to drop a value of ten thousand at once takes more stack than a test has.
    fn take_apart(mut value: Value) {
        while let Value::Array(mut items) = value {
            value = items.pop().unwrap_or_default();
        }
    }

    #[test]
    fn each_limit_has_its_error() {
        let fit = || NewJob::new(TeamId(1), "lane", "kind", json!({ "a": [1, "b", null] }));
        let year_9999 = time::macros::datetime!(9999-12-31 23:59:59 UTC);
        type Spoil = fn(&mut NewJob);
        let table: Vec<(Spoil, Unfit)> = vec![
            (
                |job| job.args = json!("x".repeat(2 << 20)),
                Unfit::ArgsTooLarge,
            ),
            (
                |job| job.args = json!(vec![0; 1 << 20]),
                Unfit::ArgsTooLarge,
            ),
            (|job| job.args = deep(10_000), Unfit::ArgsTooDeep),
            (
                |job| job.args = json!({ "a": "x\0" }),
                Unfit::Nul("arguments"),
            ),
            (
                |job| job.args = json!({ "x\0": 1 }),
                Unfit::Nul("arguments"),
            ),
            (|job| job.kind = "k\0".into(), Unfit::Nul("kind")),
            (|job| job.queue = String::new(), Unfit::TextLength("lane")),
            (
                |job| job.object = Some("o".repeat(201)),
                Unfit::TextLength("object"),
            ),
            (
                |job| job.unique_key = Some(vec![7; 10 << 10]),
                Unfit::UniqueKeyLength,
            ),
            (
                |job| job.start = Start::After(Duration::MAX),
                Unfit::StartsTooLate,
            ),
            (|job| job.priority = 5, Unfit::Priority),
            (|job| job.max_attempts = 0, Unfit::NoAttempt),
        ];
        for (spoil, why) in table {
            let mut job = fit();
            assert_eq!(check(&job), Ok(()));
            spoil(&mut job);
            assert_eq!(check(&job), Err(why));
            take_apart(job.args);
        }
        let late = NewJob {
            start: Start::At(year_9999),
            ..fit()
        };
        assert_eq!(check(&late), Err(Unfit::StartsTooLate));
        let most = NewJob {
            args: deep(ARGS_DEPTH_MOST),
            unique_key: Some(vec![7; UNIQUE_KEY_BYTES_MOST]),
            start: Start::After(START_AFTER_MOST),
            ..fit()
        };
        assert_eq!(check(&most), Ok(()));
    }
}
