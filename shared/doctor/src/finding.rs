//! One thing that was looked at.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, and somebody should look at it.
    Warn,
    /// Does not work, or loses data.
    Fail,
}

impl Level {
    /// The word in tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's id, stable for scripts and for the page that explains it.
    pub id: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was seen, with its figures.
    pub what: String,
    /// Why it matters; empty where all is well.
    pub why: &'static str,
    /// What to do, as a command where there is one; empty where all is well.
    pub fix: String,
}

impl Finding {
    /// All is well.
    #[must_use]
    pub fn ok(id: &'static str, what: impl Into<String>) -> Self {
        Self {
            id,
            level: Level::Ok,
            what: what.into(),
            why: "",
            fix: String::new(),
        }
    }

    /// Somebody should look at it.
    #[must_use]
    pub fn warn(
        id: &'static str,
        what: impl Into<String>,
        why: &'static str,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            id,
            level: Level::Warn,
            what: what.into(),
            why,
            fix: fix.into(),
        }
    }

    /// It does not work.
    #[must_use]
    pub fn fail(
        id: &'static str,
        what: impl Into<String>,
        why: &'static str,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Fail,
            ..Self::warn(id, what, why, fix)
        }
    }
}
