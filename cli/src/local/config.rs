//! `certmill config`: is it sound, what counts, what is there to set.
//!
//! Invariant: everything that is wrong is told in one run, and no secret is printed.

use certmill_settings::{ClientEnv, Env, Inspection, Settings, ShownSetting, reference_page};
use serde_json::{Map, Value, json};

use super::machine;
use crate::args::{ConfigVerb, Format, Global, SettingsArgs};
use crate::failure::Failure;
use crate::output::Output;

/// Runs a verb of settings.
///
/// # Errors
/// Exit code 3 with every fault; 2 for a secret on the command line.
pub fn run(verb: ConfigVerb, global: &Global, env: &Env) -> Result<(), Failure> {
    let no_color = ClientEnv::read(env).is_ok_and(|client| client.no_color);
    let output = Output::new(global.format(), no_color);
    match verb {
        ConfigVerb::Check(args) => check(args, global, env, &output),
        ConfigVerb::Show { origin, settings } => show(settings, origin, global, env, &output),
        ConfigVerb::Docs => output.text(&reference_page()),
    }
}

fn inspect(args: SettingsArgs, global: &Global, env: &Env) -> Result<Inspection, Failure> {
    let (role, overrides) = args.overrides(global);
    Ok(Settings::inspect(role, &overrides, env)?)
}

fn check(args: SettingsArgs, global: &Global, env: &Env, output: &Output) -> Result<(), Failure> {
    let seen = inspect(args, global, env)?;
    let mut faults: Vec<String> = seen.problems.iter().map(ToString::to_string).collect();
    // A file can be refused by both looks, in the same words.
    for fault in machine::faults(&seen) {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    if output.is_value() {
        output.value(&json!({ "ok": faults.is_empty(), "faults": faults }))?;
    }
    if !faults.is_empty() {
        return Err(Failure::config(faults));
    }
    let role = seen.draft.role.as_str();
    match output.is_value() {
        true => Ok(()),
        false => output.text(&format!("OK: the settings of the role {role} are sound\n")),
    }
}

fn show(
    args: SettingsArgs,
    origin: bool,
    global: &Global,
    env: &Env,
    output: &Output,
) -> Result<(), Failure> {
    let seen = inspect(args, global, env)?;
    if !seen.problems.is_empty() {
        let faults = seen.problems.iter().map(ToString::to_string).collect();
        return Err(Failure::config(faults));
    }
    match global.format() {
        Format::Toml => output.text(&as_toml(&seen.shown, origin)),
        _ if output.is_value() => output.value(&as_json(&seen.shown, origin)),
        _ => table(&seen.shown, origin, output),
    }
}

fn table(shown: &[ShownSetting], origin: bool, output: &Output) -> Result<(), Failure> {
    let width = if origin { 3 } else { 2 };
    let rows = shown.iter().map(|row| {
        let cells = [row.key.to_owned(), row.value.clone(), row.origin.clone()];
        cells.into_iter().take(width).collect()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    output.rows(&["KEY", "VALUE", "ORIGIN"][..width], &rows)
}

fn as_json(shown: &[ShownSetting], origin: bool) -> Value {
    let rows = shown.iter().map(|row| {
        let value = match origin {
            true => json!({ "value": row.value, "origin": row.origin }),
            false => json!(row.value),
        };
        (row.key.to_owned(), value)
    });
    Value::Object(rows.collect::<Map<_, _>>())
}

/// Keys without a section come first, as TOML wants it; defaults and secrets stay comments, so that
/// the text is the file that would set the same.
fn as_toml(shown: &[ShownSetting], origin: bool) -> String {
    let mut rows: Vec<(&str, &str, &ShownSetting)> = shown
        .iter()
        .map(|row| {
            let (section, name) = row.key.rsplit_once('.').unwrap_or(("", row.key));
            (section, name, row)
        })
        .collect();
    rows.sort_by_key(|(section, ..)| *section);
    let (mut text, mut open) = (String::new(), "");
    for (section, name, row) in rows {
        if section != open {
            text.push_str(&format!("\n[{section}]\n"));
            open = section;
        }
        let mark = if row.is_secret() || row.origin == "default" {
            "# "
        } else {
            ""
        };
        let note = match origin {
            true => format!(" # {}", row.origin),
            false => String::new(),
        };
        text.push_str(&format!("{mark}{name} = {}{note}\n", quoted(&row.value)));
    }
    text
}

fn quoted(value: &str) -> String {
    if value == "true" || value == "false" || value.parse::<u64>().is_ok() {
        return value.to_owned();
    }
    // JSON's escapes are TOML's as well.
    Value::from(value).to_string()
}
