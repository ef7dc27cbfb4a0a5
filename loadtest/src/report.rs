//! The report of one run: the JSON shape that every suite writes.
//!
//! Invariant: what was written can be read back without loss; unknown fields are refused, so that
//! the shape changes on purpose or not at all.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::figure::Figure;
use crate::machine;

/// One run of one suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The suite's name.
    pub suite: String,
    /// The day of the run.
    pub date: String,
    /// What it ran on.
    pub machine: String,
    /// What it found.
    pub figures: Vec<Figure>,
}

impl Report {
    /// A report of today and of this machine.
    ///
    /// # Errors
    /// Without figures, or with one that is not a number: such a run has failed.
    pub fn new(suite: &str, figures: Vec<Figure>) -> Result<Self> {
        ensure!(!figures.is_empty(), "the suite {suite} measured nothing");
        for figure in &figures {
            ensure!(
                figure.value.is_finite(),
                "{}: {} is not a number",
                figure.subject,
                figure.name
            );
        }
        Ok(Self {
            suite: suite.to_owned(),
            date: certmill_telemetry::clock::now_utc().date().to_string(),
            machine: machine::line(),
            figures,
        })
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads it back.
    ///
    /// # Errors
    /// The file cannot be read, or has another shape.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::figure::Wanted;

    fn report() -> Report {
        let own = [4.0, 5.0, 6.0];
        let figure = Figure::of("bulk", "certmill", "certificates/s", &own)
            .unwrap()
            .beside("limit", &own, &[10.0; 3])
            .wanted(Wanted::RatioAtLeast(0.4));
        Report {
            suite: "issuance".into(),
            date: "2026-01-02".into(),
            machine: "2 cores".into(),
            figures: vec![figure, Figure::of("a", "b", "ms", &[1.5]).unwrap()],
        }
    }

    #[test]
    fn the_shape_is_the_one_agreed_upon() {
        let value = serde_json::to_value(report()).unwrap();
        let keys = |value: &serde_json::Value| {
            let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
            keys.sort();
            keys.join(",")
        };
        assert_eq!(keys(&value), "date,figures,machine,suite");
        assert_eq!(
            keys(&value["figures"][0]),
            "holds,max,min,n,name,ratio,ratio_to,subject,unit,value,wanted"
        );
        assert_eq!(value["figures"][0]["wanted"], "ratio >= 0.4");
        assert_eq!(value["figures"][0]["holds"], true);
        assert!(value["figures"][1]["holds"].is_null());
        assert!(value["figures"][1]["ratio"].is_null());
    }

    #[test]
    fn it_is_read_back_as_it_was_and_strangers_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        report().write(&path).unwrap();
        assert_eq!(Report::read(&path).unwrap(), report());
        fs::write(
            &path,
            r#"{"suite":"x","date":"","machine":"","figures":[],"more":1}"#,
        )
        .unwrap();
        assert!(Report::read(&path).is_err());
    }

    #[test]
    fn a_run_that_measured_nothing_fails() {
        assert!(Report::new("issuance", Vec::new()).is_err());
        let mut broken = report().figures;
        broken[0].value = f64::NAN;
        assert!(Report::new("issuance", broken).is_err());
    }
}
