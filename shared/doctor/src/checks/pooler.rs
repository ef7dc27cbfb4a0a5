//! Is there a pooler in between, and do the settings know of it?

use std::time::Duration;

use certmill_pg::{Pooling, pooling};
use certmill_settings::Pooler;

use crate::patient::Database;
use crate::{Check, Finding, Patient};

const ID: &str = "pooler";
const PATIENCE: Duration = Duration::from_secs(5);

pub const CHECK: Check = Check {
    id: ID,
    look: |patient| Box::pin(look(patient)),
};

async fn look(patient: &Patient) -> Vec<Finding> {
    let Database::Reached { url, .. } = &patient.database else {
        return Vec::new();
    };
    match pooling(url, patient.tls(), PATIENCE).await {
        Ok(seen) => vec![judge(seen, patient.settings.database.pooler)],
        Err(_) => Vec::new(),
    }
}

fn judge(seen: Pooling, set: Pooler) -> Finding {
    match (seen, set) {
        (Pooling::Direct, Pooler::None) => Finding::ok(ID, "none between here and Postgres"),
        (Pooling::Direct, Pooler::Transaction) => Finding::warn(
            ID,
            "database.pooler is \"transaction\", and none is seen",
            "idle workers poll, and statements run without our time limits, for nothing",
            "set database.pooler = \"none\"",
        ),
        (
            Pooling::Transaction {
                keeps_statements: false,
            },
            _,
        ) => Finding::fail(
            ID,
            "a pooler in transaction mode that does not carry prepared statements stands between \
             here and Postgres",
            "every statement is a prepared one, and meets a server process that does not know it \
             or knows another one of that name",
            "use PgBouncer 1.21 or newer with max_prepared_statements above 0, and \
             database.pooler = \"transaction\"; or name Postgres itself",
        ),
        (Pooling::Transaction { .. }, Pooler::Transaction) => {
            Finding::ok(ID, "one in transaction mode, and the settings say so")
        }
        (Pooling::Transaction { .. }, Pooler::None) => Finding::fail(
            ID,
            "a pooler in transaction mode stands between here and Postgres",
            "start-up options are refused or lost there, and LISTEN hears nothing",
            "set database.pooler = \"transaction\" (and the time limits by ALTER ROLE .. SET \
             statement_timeout), or name Postgres itself",
        ),
        (Pooling::Session, _) => Finding::warn(
            ID,
            "a pooler that keeps sessions stands between here and Postgres, and start-up options \
             do not arrive",
            "statements run without our time limits, and processes may not start",
            "let it pass options (PgBouncer: ignore_startup_parameters = options, with the limits \
             by ALTER ROLE .. SET), or name Postgres itself",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn what_is_seen_is_held_against_what_is_set() {
        let level = |seen, set| judge(seen, set).level;
        assert_eq!(level(Pooling::Direct, Pooler::None), Level::Ok);
        assert_eq!(level(Pooling::Direct, Pooler::Transaction), Level::Warn);
        let transaction = |keeps_statements| Pooling::Transaction { keeps_statements };
        assert_eq!(level(transaction(true), Pooler::None), Level::Fail);
        assert_eq!(level(transaction(true), Pooler::Transaction), Level::Ok);
        assert_eq!(level(transaction(false), Pooler::Transaction), Level::Fail);
        assert_eq!(level(Pooling::Session, Pooler::None), Level::Warn);
    }
}
