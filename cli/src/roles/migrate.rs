//! The role `migrate`: migrations and first rows, then exit.

use certmill_settings::Settings;

use certmill_pg::{MigrationPlan, PlannedMigration, migration_plan};

use super::{admin, database, files, refusal};
use crate::args::{Format, Migrating};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Migrates and seeds, or says what that would lock. With key files it also makes the first admin's
/// key, unless a bootstrap token is to open the door.
pub(super) async fn run(settings: Settings, migrating: Migrating) -> Result<Exit, Failure> {
    let urls = database::urls(&settings)?;
    if migrating == Migrating::Plan {
        let pool = database::owner_pool(&settings, &urls.owner).await?;
        let plan = migration_plan(&pool).await.map_err(refusal::database)?;
        pool.close().await;
        return print(&plan).map(|()| Exit::Ok);
    }
    let init = migrating == Migrating::WithKeyFiles;
    if init {
        files::make_folder(&settings.data_dir)?;
    }
    database::prepare(&settings, &urls, init).await?;
    if init && settings.bootstrap_token_file.is_none() {
        let pool = database::owner_pool(&settings, &urls.owner).await?;
        admin::ensure_key(&pool, &settings).await?;
        pool.close().await;
    }
    tracing::info!(event = "migrated", "the schema is this build's");
    Ok(Exit::Ok)
}

fn print(plan: &MigrationPlan) -> Result<(), Failure> {
    let output = Output::new(Format::Table, true);
    if let Some(words) = &plan.accepted {
        return output.text(&format!("nothing would run: {words}\n"));
    }
    if plan.migrations.is_empty() {
        return output.text("the schema is this build's: nothing would run\n");
    }
    let rows: Vec<Vec<String>> = plan.migrations.iter().flat_map(rows).collect();
    let header = [
        "MIGRATION",
        "FOR",
        "TAKES BUILDS",
        "LOCKS",
        "MODE",
        "WHO WAITS",
        "ROWS",
        "MB",
    ];
    output.rows(&header, &rows)?;
    output.text(
        "\nEach migration is one transaction, which holds its locks to its end. It waits 5 s for a \
         lock, and is tried 5 times.\n",
    )?;
    output.text(&format!("{}\n", going_on(plan)))
}

/// What becomes of the processes that run.
fn going_on(plan: &MigrationPlan) -> String {
    if plan.left_behind.is_empty() {
        return match plan.running.len() {
            0 => "No process runs on this database.".to_owned(),
            1 => "The process that runs stays accepted.".to_owned(),
            all => format!("All {all} processes that run stay accepted."),
        };
    }
    let behind = plan.left_behind.iter().map(|one| format!("\n  {one}"));
    format!(
        "`migrate` would refuse, since these processes run and would no longer be accepted:{}\n\
         Bring them to a build that is taken, or stop them, then migrate.",
        behind.collect::<String>()
    )
}

/// A row for each lock, or one that says that there is none.
fn rows(migration: &PlannedMigration) -> Vec<Vec<String>> {
    let head = [
        format!("{:04}", migration.version),
        migration.description.clone(),
        match migration.builds_from {
            Some(oldest) => format!("from {oldest:04}"),
            None => "does not say".to_owned(),
        },
    ];
    let row = |cells: [String; 5]| [&head[..], &cells[..]].concat();
    if migration.locks.is_empty() {
        let nothing = ["nothing that is there", "", "nobody", "", ""];
        return vec![row(nothing.map(str::to_owned))];
    }
    let locks = migration.locks.iter();
    let cells = locks.map(|lock| {
        row([
            lock.table.clone(),
            lock.mode.clone(),
            lock.waits().to_owned(),
            lock.rows.to_string(),
            ((lock.bytes + (1 << 20) - 1) >> 20).to_string(),
        ])
    });
    cells.collect()
}
