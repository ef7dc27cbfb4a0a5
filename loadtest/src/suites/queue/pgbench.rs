//! The same statements as the worker's, for pgbench.
//!
//! Invariant: the SQL is the queue's own text; only its parameters get other names, and the claimed
//! rows are gathered into arrays, since pgbench keeps one row of an answer.

use crate::rig::inlined;

const CLAIM: &str = include_str!("../../../../shared/queue/src/sql/claim.sql");
const COMPLETE: &str = include_str!("../../../../shared/queue/src/sql/complete.sql");

/// The script: claim up to `batch` jobs, complete them.
pub fn script(queue: &str, process: i64, batch: usize) -> String {
    let process = process.to_string();
    let claim = inlined(
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
    let complete = inlined(
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
