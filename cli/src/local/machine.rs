//! What is wrong with the files and folders that sound settings name.
//!
//! Invariant: a look only; what a role would make at its start may be missing.

use std::path::Path;

use certmill_crypto::seal::Kek;
use certmill_settings::{Inspection, Settings};
use certmill_telemetry::{check_filter, clock::now_utc};
use rustix::fs::{Access, access};

/// All of it, in the words of settings.
pub fn faults(seen: &Inspection) -> Vec<String> {
    let settings = &seen.draft;
    let mut faults = Vec::new();
    let mut fault = |what: &str, where_: &str, why: &str, hint: &str| {
        let hint = if hint.is_empty() {
            String::new()
        } else {
            format!("; {hint}")
        };
        faults.push(format!("{what} ({where_}): {why}{hint}"));
    };
    if let Err(why) = check_filter(&settings.log.filter) {
        fault(
            "`log.filter`",
            &origin(seen, "log.filter"),
            &why.to_string(),
            "",
        );
    }
    if let Err(why) = folder(&settings.data_dir) {
        let hint = "choose a folder that this user may write";
        fault("`data_dir`", &origin(seen, "data_dir"), &why, hint);
    }
    for (key, path) in kek_files(settings) {
        let named = origin(seen, key) != "default";
        match Kek::load(path) {
            Err(why) if why.is_missing() && !named => {}
            Err(why) => fault(
                &format!("`{key}`"),
                &origin(seen, key),
                &why.to_string(),
                "",
            ),
            Ok(_) => {}
        }
    }
    if let Some(files) = &settings.tls
        && let Err(why) = certmill_api::check_supplied(files, now_utc())
    {
        fault("`tls`", &origin(seen, "tls.cert_file"), &why, "");
    }
    if let Some(dir) = &settings.database.bin_dir {
        for program in ["postgres", "initdb"] {
            if access(dir.join(program), Access::EXEC_OK).is_err() {
                let why = format!("{} holds no program {program}", dir.display());
                let hint = "name the folder of the server's programs, or leave it out";
                let place = origin(seen, "postgres_bin_dir");
                fault("`postgres_bin_dir`", &place, &why, hint);
            }
        }
    }
    faults
}

fn kek_files(settings: &Settings) -> [(&'static str, &Path); 2] {
    [
        ("ca_kek_file", &settings.ca_kek_file),
        ("app_kek_file", &settings.app_kek_file),
    ]
}

fn origin(seen: &Inspection, key: &str) -> String {
    let row = seen.shown.iter().find(|row| row.key == key);
    row.map_or_else(|| "settings".to_owned(), |row| row.origin.clone())
}

/// A folder that is there must be one and writable; one that is not must be makeable.
fn folder(path: &Path) -> Result<(), String> {
    let mut near = path;
    while !near.exists() {
        match near.parent() {
            Some(parent) => near = parent,
            None => return Err(format!("{} cannot be made", path.display())),
        }
    }
    if !near.is_dir() {
        return Err(format!("{} is not a folder", near.display()));
    }
    access(near, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|why| format!("{} cannot be written to: {why}", near.display()))
}
