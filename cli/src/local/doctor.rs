//! `certmill doctor`: what is wrong with this installation, and what to do.
//!
//! Invariant: exit code 1 means that something does not work; with `--strict` a warning counts as
//! much.

use certmill_doctor::{Finding, Level, Patient, Report, examine};
use certmill_settings::{ClientEnv, Env, Settings};

use crate::args::{DoctorArgs, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, plain};

/// Examines and prints.
///
/// # Errors
/// Exit code 3 where the settings themselves are wrong.
pub async fn run(args: DoctorArgs, global: &Global, env: &Env) -> Result<Exit, Failure> {
    let (role, overrides) = args.settings.overrides(global);
    // A role's missing database_url is for the examination to tell.
    let settings = Settings::load(role, &overrides, env)?;
    let report = examine(&Patient::admit(settings).await).await;
    let no_color = ClientEnv::read(env).is_ok_and(|client| client.no_color);
    let output = Output::new(global.format(), no_color);
    if output.is_value() {
        output.value(&report)?;
    } else {
        output.text(&plain(&words(&report)))?;
    }
    Ok(exit(report.worst, args.strict))
}

fn exit(worst: Level, strict: bool) -> Exit {
    let bad = if strict { Level::Warn } else { Level::Fail };
    if worst >= bad { Exit::Failed } else { Exit::Ok }
}

fn words(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&line(finding));
    }
    let count = |level: Level| {
        let found = report.findings.iter();
        found.filter(|finding| finding.level == level).count()
    };
    text.push_str(&format!(
        "\n{} ok, {} warn, {} fail\n",
        count(Level::Ok),
        count(Level::Warn),
        count(Level::Fail)
    ));
    text
}

fn line(finding: &Finding) -> String {
    let mut line = format!(
        "{:<5} {:<16} {}\n",
        finding.level.as_str(),
        finding.id,
        finding.what
    );
    if finding.level != Level::Ok {
        line.push_str(&format!("      why: {}\n", finding.why));
        line.push_str(&format!("      do:  {}\n", finding.fix));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_count_only_if_strict() {
        for (worst, strict, code) in [
            (Level::Ok, true, Exit::Ok),
            (Level::Warn, false, Exit::Ok),
            (Level::Warn, true, Exit::Failed),
            (Level::Fail, false, Exit::Failed),
        ] {
            assert_eq!(exit(worst, strict), code, "{worst:?} {strict}");
        }
    }

    #[test]
    fn what_is_wrong_comes_with_why_and_what_to_do() {
        let report = Report {
            worst: Level::Fail,
            findings: vec![
                Finding::ok("schema", "at 6"),
                Finding::fail("durability", "fsync is off", "it is lost", "switch it on"),
            ],
        };
        let text = words(&report);
        assert!(text.starts_with("ok    schema "), "{text}");
        assert!(
            text.contains("why: it is lost\n      do:  switch it on\n"),
            "{text}"
        );
        assert!(text.ends_with("1 ok, 0 warn, 1 fail\n"), "{text}");
    }
}
