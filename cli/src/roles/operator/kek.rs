//! `certmill kek`: key-encryption keys, in the order new, rotate, retire.

use std::time::Duration;

use certmill_crypto::seal::Kek;
use certmill_pg::Pool;
use certmill_service::keks;
use certmill_service::rotation::{self, KekUse};
use certmill_settings::Settings;
use serde_json::json;

use super::{owner, refused};
use crate::args::{KekVerb, Purpose};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Output, instant};
use crate::roles::key_files::{self, KeyFiles};

/// How often the running processes are asked whether they seal with the new key.
const ASK_EVERY: Duration = Duration::from_millis(200);

pub(super) async fn run(verb: KekVerb, settings: &Settings, output: Output) -> Result<(), Failure> {
    match verb {
        KekVerb::List(_) => list(&owner(settings).await?, output).await,
        KekVerb::New(args) => make(&files(settings, args.purpose), output),
        KekVerb::Rotate(args) => rotate(&files(settings, args.purpose), settings, output).await,
        KekVerb::Retire { id, yes, .. } => {
            confirm(yes, &format!("retire key {id}"))?;
            let pool = owner(settings).await?;
            rotation::retire(&pool, &id)
                .await
                .map_err(|why| refused(&format!("key {id}"), why))?;
            let next = "put the present key's file in its place on every machine, and keep the old \
                        one with the backups that need it";
            if output.is_value() {
                return output.value(&json!({ "retired": id }));
            }
            output.text(&format!("{id} is forgotten; {next}\n"))
        }
    }
}

fn files(settings: &Settings, purpose: Purpose) -> KeyFiles {
    match purpose {
        Purpose::Ca => key_files::of_ca(settings),
        Purpose::App => key_files::of_app(settings),
    }
}

async fn list(pool: &Pool, output: Output) -> Result<(), Failure> {
    let all = rotation::list(pool)
        .await
        .map_err(|why| refused("keys", why))?;
    let rows_of = |one: &KekUse| one.rows.iter().map(|(_, rows)| rows).sum::<i64>();
    if output.is_value() {
        let data: Vec<_> = all
            .iter()
            .map(|one| {
                json!({
                    "id": one.kek.id,
                    "purpose": one.kek.purpose,
                    "seals": one.kek.seals,
                    "rows": rows_of(one),
                    "held_by": one.held_by.0,
                    "processes": one.held_by.1,
                    "since": instant(one.kek.created_at),
                })
            })
            .collect();
        return output.value(&json!({ "data": data }));
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            vec![
                one.kek.id.clone(),
                one.kek.purpose.clone(),
                if one.kek.seals { "seals" } else { "opens" }.to_owned(),
                rows_of(one).to_string(),
                format!("{} of {}", one.held_by.0, one.held_by.1),
                instant(one.kek.created_at),
            ]
        })
        .collect();
    output.rows(
        &["ID", "PURPOSE", "STATE", "ROWS", "HELD BY", "SINCE"],
        &rows,
    )
}

fn make(files: &KeyFiles, output: Output) -> Result<(), Failure> {
    let kek =
        Kek::generate_into(&files.next).map_err(|why| key_files::refuse(&files.next, &why))?;
    let id = kek.id().to_string();
    if output.is_value() {
        return output.value(&json!({ "id": id, "file": files.next.display().to_string() }));
    }
    output.text(&format!(
        "made {id} in {}; copy it to every machine that has {}, then run `certmill kek rotate {}`\n",
        files.next.display(),
        files.file.display(),
        files.purpose
    ))
}

async fn rotate(files: &KeyFiles, settings: &Settings, output: Output) -> Result<(), Failure> {
    let loaded = files.load()?;
    let Some(next) = loaded.last().map(|kek| kek.id().to_string()) else {
        return Ok(());
    };
    let purpose = files.purpose;
    let what = format!("key {next}");
    let pool = owner(settings).await?;
    // Whatever is registered must open, or the sealing could not come to its end.
    let refuse = |why| refused(&what, why);
    keks::keyring(&pool, purpose, loaded.clone())
        .await
        .map_err(refuse)?;
    if rotation::switch(&pool, purpose, &next)
        .await
        .map_err(refuse)?
    {
        output.note(&format!("{next} seals from now on"));
    }
    await_switch(&pool, settings, purpose, &next, output).await?;
    let keys = keks::keyring(&pool, purpose, loaded)
        .await
        .map_err(refuse)?;
    let mut heard =
        |table: &'static str, rows: u64| output.note(&format!("{table}: {rows} sealed"));
    let rows = rotation::reseal(&pool, purpose, &keys, &mut heard)
        .await
        .map_err(refuse)?;
    if output.is_value() {
        return output.value(&json!({ "id": next, "sealed": rows }));
    }
    output.text(&format!(
        "{rows} rows were sealed anew under {next}; `certmill kek list` shows the old key, and \
         `certmill kek retire ID` forgets it\n"
    ))
}

/// Waits until no running process seals with another key, as long as they need to notice; whoever
/// does not is named, and the sealing goes on: `retire` will not let it be left behind.
async fn await_switch(
    pool: &Pool,
    settings: &Settings,
    purpose: &str,
    id: &str,
    output: Output,
) -> Result<(), Failure> {
    let patience = settings.kek_poll * 3 + Duration::from_secs(5);
    let waited = tokio::time::timeout(patience, async {
        loop {
            let others = rotation::still_sealing_otherwise(pool, purpose, id).await?;
            if others.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    });
    match waited.await {
        Ok(asked) => asked.map_err(|why| refused("processes", why)),
        Err(_) => {
            let others = rotation::still_sealing_otherwise(pool, purpose, id).await;
            output.note(&format!(
                "warning: {} has not changed over yet; run this again afterwards",
                others.map_err(|why| refused("processes", why))?
            ));
            Ok(())
        }
    }
}
