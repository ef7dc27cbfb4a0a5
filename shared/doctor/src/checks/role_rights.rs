//! May the application's login do what it needs, and no more?

use certmill_pg::vitals::{self, RoleRights};

use crate::{Check, Finding, Patient};

const ID: &str = "role_rights";

pub const CHECK: Check = Check {
    id: ID,
    look: |patient| Box::pin(look(patient)),
};

async fn look(patient: &Patient) -> Vec<Finding> {
    let rights = patient.ask(vitals::role).await;
    rights.iter().map(judge).collect()
}

fn judge(rights: &RoleRights) -> Finding {
    let name = &rights.name;
    if !rights.lacks.is_empty() {
        let what = format!("the login {name} lacks {}", rights.lacks.join(", "));
        let why = "requests and jobs that need it fail";
        return Finding::fail(
            ID,
            what,
            why,
            "run `certmill migrate` with migrate_url of the owner; it grants them",
        );
    }
    let mut much = Vec::new();
    if rights.superuser {
        much.push("is a superuser".to_owned());
    } else {
        if rights.changes_schema {
            much.push("may change the schema".to_owned());
        }
        much.extend(rights.attributes.iter().map(|one| format!("has {one}")));
        if !rights.exceeds.is_empty() {
            much.push(format!("may {}", rights.exceeds.join(", ")));
        }
    }
    if much.is_empty() {
        return Finding::ok(
            ID,
            format!("the login {name} may do what it needs, no more"),
        );
    }
    Finding::warn(
        ID,
        format!("the login {name} {}", much.join(", ")),
        "whoever takes over an api or worker could then change audit rows, keys of authorities \
         or the schema",
        "make a login of its own (CREATE ROLE certmill_app LOGIN), name it in database_url and \
         the owner in migrate_url, and run `certmill migrate`",
    )
}
