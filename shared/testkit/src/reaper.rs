//! Drops the databases of tests that are over, so that a run does not fill the disk.
//!
//! Invariant: best effort only; a test never waits for it and never fails by it.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};

use secrecy::SecretString;
use sqlx::{Connection, Executor};

static REAPER: OnceLock<Sender<Over>> = OnceLock::new();

struct Over {
    superuser: SecretString,
    database: String,
}

/// Hands a database over to be dropped.
pub(crate) fn hand_over(superuser: SecretString, database: String) {
    let sender = REAPER.get_or_init(|| {
        let (sender, receiver) = channel();
        std::thread::spawn(move || run(&receiver));
        sender
    });
    sender
        .send(Over {
            superuser,
            database,
        })
        .ok();
}

fn run(receiver: &Receiver<Over>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return;
    };
    while let Ok(over) = receiver.recv() {
        runtime.block_on(drop_database(&over));
    }
}

async fn drop_database(over: &Over) {
    let options = certmill_pg::ConnectOptions::new("testkit");
    if let Ok(mut conn) = certmill_pg::connect_one(&over.superuser, &options).await {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", over.database);
        conn.execute(sqlx::AssertSqlSafe(statement)).await.ok();
        conn.close().await.ok();
    }
}
