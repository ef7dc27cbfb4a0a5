//! The reference page of settings, made from the list of keys.
//!
//! Invariant: `docs/reference/settings.md` is this text; a test compares them.

use crate::key;

const HEAD: &str = "\
# Settings

Made by `certmill config docs`; do not edit.

Flags win over the environment, the environment over the TOML file (`--config`, `CERTMILL_CONFIG`), the
file over defaults. The variable of `worker.name` is `CERTMILL_WORKER__NAME`, its flag
`--set worker.name=NAME`. A secret may come from a file: `database_url_file`,
`CERTMILL_DATABASE_URL_FILE`. An unknown key is an error with a suggestion; all errors come at once.

`certmill config check` tells whether all of it is sound, `certmill config show --origin` which value
counts and where it came from.

Issuers, profiles and API keys are rows of the database, never settings.

";

const FOOT: &str = "
Clients read `CERTMILL_URL`, `CERTMILL_API_KEY_FILE`, `CERTMILL_CA_FILE`, `CERTMILL_DATA_DIR` and
`NO_COLOR`; see [the command line](cli.md).

## Connections to the database

`database.max_connections` bounds the pool of one process. By role it is 60 for `up`, 50 for `api`, 20
for `worker`, 5 for `scheduler`; beside its pool a process holds up to three connections of its own (beats,
hints, listening). The sum over all processes must stay below `max_connections` of Postgres minus what
that reserves for superusers: a role warns at its start when it does not, and `certmill doctor` shows
the sum. The database that `up` brings along is sized for its pool.

Behind a pooler in transaction mode set `database.pooler = \"transaction\"`: start-up options are then not
sent, idle workers poll, and the time limits of statements must be set with `ALTER ROLE .. SET`, as well
as `plan_cache_mode = force_generic_plan`, `enable_seqscan = off`, `jit = off` and
`max_parallel_workers_per_gather = 0`, by which statements are planned. The pooler must
carry prepared statements (PgBouncer 1.21 or newer,
`max_prepared_statements` above 0); a role refuses to start behind one that does not. Through one in
session mode any release will do, set up alike. Migrations need a direct address in `migrate_url`.

## What the values must agree on

- `process.lease_ms` must be more than three times `process.beat_ms`, and `process.rescue_ms` not longer
  than the lease.
- A profile's lifetime must be at least ten times `process.lease_ms`, else the profile is refused: a
  shorter one could expire while a dead worker's job is still waiting for its rescue.
- `up` and `migrate --init` make missing key-encryption files; every other role refuses to start without
  the file that it needs, and refuses a key that the database does not know.
- A database on another machine is reached by verified TLS only, unless `database.tls` lowers it on
  purpose.
";

/// The whole page, in Markdown.
#[must_use]
pub fn reference_page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| key | form | default | meaning |\n|---|---|---|---|\n");
    for row in key::reference() {
        let default = match row.default {
            "" => "-".to_owned(),
            text => cell(text),
        };
        page.push_str(&format!(
            "| `{}` | {} | {default} | {} |\n",
            row.key,
            cell(&row.form),
            cell(row.meaning)
        ));
    }
    page.push_str(FOOT);
    page
}

/// A text inside a table: bars part cells, and angles would be taken for HTML.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_page_in_docs_is_this_text() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/reference/settings.md"
        );
        let kept = std::fs::read_to_string(path).unwrap();
        assert!(
            kept == reference_page(),
            "run `cargo run -- config docs > docs/reference/settings.md`"
        );
    }
}
