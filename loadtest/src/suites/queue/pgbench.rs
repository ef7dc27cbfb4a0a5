//! The same statements as the worker's, for pgbench.
//!
//! Invariant: the SQL is the queue's own text; only its parameters get other names, and the claimed
//! rows are gathered into arrays, since pgbench keeps one row of an answer.

use std::path::PathBuf;

use crate::say;

const CLAIM: &str = include_str!("../../../../shared/queue/src/sql/claim.sql");
const COMPLETE: &str = include_str!("../../../../shared/queue/src/sql/complete.sql");

/// Where pgbench is; without it, the words say what to do.
pub fn find() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let newest = versions
        .filter_map(|entry| {
            let major = entry.file_name().to_str()?.parse::<u32>().ok()?;
            let path = entry.path().join("bin/pgbench");
            path.is_file().then_some((major, path))
        })
        .max();
    if newest.is_none() {
        say::line("left out: pgbench: not installed; apt-get install postgresql");
    }
    newest.map(|(_, path)| path)
}

/// The script: claim up to `batch` jobs, complete them.
pub fn script(queue: &str, process: i64, batch: usize) -> String {
    let process = process.to_string();
    let claim = with(
        CLAIM,
        &[
            ("$1", &format!("'{queue}'")),
            ("$2", &process),
            ("$3", &batch.to_string()),
            ("$4", "(:client_id + 1)::bigint"),
            ("$5", "interval '630 s'"),
            ("$6", "array_fill(:mark::timestamptz, ARRAY[5])"),
            ("$7", "array_fill(:mark_id::bigint, ARRAY[5])"),
            ("$8", &format!("ARRAY['{queue}']")),
            ("$9", "false"),
        ],
    );
    let complete = with(
        COMPLETE,
        &[
            ("$1", ":ids"),
            ("$2", ":fences"),
            ("$3", ":tokens"),
            ("$4", ":processes"),
            ("$5", ":results"),
        ],
    );
    format!(
        "WITH given AS ({claim})
SELECT coalesce(array_agg(id), '{{}}') AS ids, coalesce(array_agg(fence), '{{}}') AS fences,
       coalesce(array_agg((:client_id + 1)::bigint), '{{}}') AS tokens,
       coalesce(array_agg({process}::bigint), '{{}}') AS processes,
       coalesce(array_agg('null'::jsonb), '{{}}') AS results,
       coalesce(sum(length(args::text)), 0) AS read,
       coalesce(min(run_at), '-infinity') AS mark, coalesce(min(id), 0) AS mark_id
FROM given \\gset
{complete};
"
    )
}

/// The statement without its comments and with its parameters replaced, the longest names first.
fn with(sql: &str, values: &[(&str, &str)]) -> String {
    let bare: Vec<&str> = sql.lines().filter(|line| !line.starts_with("--")).collect();
    let mut text = bare.join("\n");
    for (name, value) in values.iter().rev() {
        text = text.replace(name, value);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_parameter_and_no_comment_is_left() {
        let script = script("noop", 7, 200);
        assert!(!script.contains('$') && !script.contains("--"), "{script}");
        assert!(script.contains("'noop'") && script.contains("LIMIT 200"));
        assert!(script.starts_with("WITH given AS (UPDATE job"), "{script}");
    }
}
