//! Does the schema fit this build?

use certmill_pg::{SchemaState, schema_state};

use crate::{Check, Finding, Patient};

const ID: &str = "schema";
const WHY: &str = "a build that does not know the schema refuses to start";

pub const CHECK: Check = Check {
    id: ID,
    look: |patient| Box::pin(look(patient)),
};

async fn look(patient: &Patient) -> Vec<Finding> {
    let Some(pool) = patient.pool() else {
        return Vec::new();
    };
    match schema_state(pool).await {
        Ok(SchemaState::Equal) => vec![Finding::ok(
            ID,
            format!("at {}, as this build", certmill_pg::newest_migration()),
        )],
        Ok(state) if state.is_fit() => vec![Finding::ok(ID, state.words())],
        Ok(state) => {
            let words = state.words();
            let (what, fix) = words.split_once("; ").unwrap_or((&words, ""));
            vec![Finding::fail(ID, what, WHY, fix)]
        }
        Err(error) => vec![Finding::fail(
            ID,
            error.to_string(),
            WHY,
            "run `certmill migrate`, which also grants the application what it needs",
        )],
    }
}
