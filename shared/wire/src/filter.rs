//! Filters and paging of lists: one reading for the server, one writing for the client.
//!
//! Invariant: an unknown parameter is a fault with a suggestion, never ignored.

use certmill_domain::api_key::KeyState;
use certmill_domain::certificate::CertificateStatus;
use certmill_domain::job::JobState;
use certmill_domain::operation::OperationState;

use crate::{FieldError, Problem, ProblemCode};

/// Rows of a page unless asked for otherwise.
pub const DEFAULT_LIMIT: u32 = 50;
/// Rows of a page at most.
pub const MAX_LIMIT: u32 = 500;
/// Bytes of a cursor at most.
const MAX_CURSOR: usize = 512;

/// Which part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paging {
    /// Rows, 1 ..= [`MAX_LIMIT`].
    pub limit: Option<u32>,
    /// Where the page begins.
    pub cursor: Option<String>,
}

impl Paging {
    /// The rows to read.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT_LIMIT)
    }
}

/// Filter of `GET /api/v1/certificates`; several values of one parameter are alternatives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateFilter {
    /// Exact names.
    pub name: Vec<String>,
    /// `pending`, `issued`, `failed`.
    pub status: Vec<String>,
    /// Which part.
    pub paging: Paging,
}

/// Filter of `GET /api/v1/jobs`; several values of one parameter are alternatives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Shown states.
    pub state: Vec<String>,
    /// Kinds.
    pub kind: Vec<String>,
    /// Lanes.
    pub queue: Vec<String>,
    /// Which part.
    pub paging: Paging,
}

/// Filter of `GET /api/v1/keys`; several values of one parameter are alternatives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Exact names.
    pub name: Vec<String>,
    /// `valid`, `expired`, `revoked`.
    pub state: Vec<String>,
    /// Which part.
    pub paging: Paging,
}

/// Filter of `GET /api/v1/operations`; several values of one parameter are alternatives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperationFilter {
    /// `queued`, `running`, `completed`, `aborted`, `failed`.
    pub state: Vec<String>,
    /// Which part.
    pub paging: Paging,
}

/// One query parameter that filters a list.
#[derive(Clone, Copy, Debug)]
pub struct QueryParameter {
    /// Its name.
    pub name: &'static str,
    /// What it keeps.
    pub what: &'static str,
    /// The words that it takes; none if it takes any text.
    pub words: fn() -> Vec<&'static str>,
}

/// What filters a list, besides paging.
pub trait Filter {
    /// Its query parameters.
    const PARAMETERS: &'static [QueryParameter];
}

const fn text(name: &'static str, what: &'static str) -> QueryParameter {
    QueryParameter {
        name,
        what,
        words: Vec::new,
    }
}

impl Filter for CertificateFilter {
    const PARAMETERS: &'static [QueryParameter] = &[
        text("name", "Exact names."),
        QueryParameter {
            name: "status",
            what: "Stored status.",
            words: || {
                CertificateStatus::ALL
                    .map(CertificateStatus::as_str)
                    .to_vec()
            },
        },
    ];
}

impl Filter for JobFilter {
    const PARAMETERS: &'static [QueryParameter] = &[
        QueryParameter {
            name: "state",
            what: "Shown state.",
            words: || JobState::ALL.map(JobState::as_str).to_vec(),
        },
        text("kind", "Kinds of jobs."),
        text("queue", "Lanes."),
    ];
}

impl Filter for KeyFilter {
    const PARAMETERS: &'static [QueryParameter] = &[
        text("name", "Exact names."),
        QueryParameter {
            name: "state",
            what: "Whether they open.",
            words: || KeyState::ALL.map(KeyState::as_str).to_vec(),
        },
    ];
}

impl Filter for OperationFilter {
    const PARAMETERS: &'static [QueryParameter] = &[QueryParameter {
        name: "state",
        what: "How far they are.",
        words: || OperationState::ALL.map(OperationState::as_str).to_vec(),
    }];
}

impl Filter for Paging {
    const PARAMETERS: &'static [QueryParameter] = &[];
}

type Pairs = Vec<(String, String)>;

impl CertificateFilter {
    /// Reads decoded query parameters.
    ///
    /// # Errors
    /// `invalid_query` with all faults.
    pub fn from_pairs(pairs: Pairs) -> Result<Self, Box<Problem>> {
        let (mut name, mut status) = (Vec::new(), Vec::new());
        let paging = read(pairs, &mut [("name", &mut name), ("status", &mut status)])?;
        Ok(Self {
            name,
            status,
            paging,
        })
    }

    /// Writes query parameters.
    #[must_use]
    pub fn to_pairs(&self) -> Pairs {
        write(
            &[("name", &self.name), ("status", &self.status)],
            &self.paging,
        )
    }
}

impl JobFilter {
    /// Reads decoded query parameters.
    ///
    /// # Errors
    /// `invalid_query` with all faults.
    pub fn from_pairs(pairs: Pairs) -> Result<Self, Box<Problem>> {
        let (mut state, mut kind, mut queue) = (Vec::new(), Vec::new(), Vec::new());
        let known = &mut [
            ("state", &mut state),
            ("kind", &mut kind),
            ("queue", &mut queue),
        ];
        let paging = read(pairs, known)?;
        Ok(Self {
            state,
            kind,
            queue,
            paging,
        })
    }

    /// Writes query parameters.
    #[must_use]
    pub fn to_pairs(&self) -> Pairs {
        let known = [
            ("state", &self.state),
            ("kind", &self.kind),
            ("queue", &self.queue),
        ];
        write(&known, &self.paging)
    }
}

impl KeyFilter {
    /// Reads decoded query parameters.
    ///
    /// # Errors
    /// `invalid_query` with all faults.
    pub fn from_pairs(pairs: Pairs) -> Result<Self, Box<Problem>> {
        let (mut name, mut state) = (Vec::new(), Vec::new());
        let paging = read(pairs, &mut [("name", &mut name), ("state", &mut state)])?;
        Ok(Self {
            name,
            state,
            paging,
        })
    }

    /// Writes query parameters.
    #[must_use]
    pub fn to_pairs(&self) -> Pairs {
        write(
            &[("name", &self.name), ("state", &self.state)],
            &self.paging,
        )
    }
}

impl OperationFilter {
    /// Reads decoded query parameters.
    ///
    /// # Errors
    /// `invalid_query` with all faults.
    pub fn from_pairs(pairs: Pairs) -> Result<Self, Box<Problem>> {
        let mut state = Vec::new();
        let paging = read(pairs, &mut [("state", &mut state)])?;
        Ok(Self { state, paging })
    }

    /// Writes query parameters.
    #[must_use]
    pub fn to_pairs(&self) -> Pairs {
        write(&[("state", &self.state)], &self.paging)
    }
}

impl Paging {
    /// Reads the parameters of a list without filters.
    ///
    /// # Errors
    /// `invalid_query` with all faults.
    pub fn from_pairs(pairs: Pairs) -> Result<Self, Box<Problem>> {
        read(pairs, &mut [])
    }

    /// Writes query parameters.
    #[must_use]
    pub fn to_pairs(&self) -> Pairs {
        write(&[], self)
    }
}

fn read(pairs: Pairs, known: &mut [(&str, &mut Vec<String>)]) -> Result<Paging, Box<Problem>> {
    let (mut paging, mut faults) = (Paging::default(), Vec::new());
    for (name, value) in pairs {
        if value.contains('\0') {
            let detail = "holds a NUL character";
            faults.push(FieldError::new(format!("?{name}"), "nul_character", detail));
        } else if let Some((_, values)) = known.iter_mut().find(|(known, _)| *known == name) {
            values.push(value);
        } else if name == "limit" {
            paging.limit = value
                .parse()
                .ok()
                .filter(|limit| (1..=MAX_LIMIT).contains(limit));
            if paging.limit.is_none() {
                let detail = format!("must be 1..{MAX_LIMIT}");
                faults.push(FieldError::new("?limit", "out_of_bounds", detail));
            }
        } else if name == "cursor" {
            if value.len() > MAX_CURSOR {
                let detail = "is not a cursor of this list";
                return Err(Problem::new(ProblemCode::InvalidCursor, detail).into());
            }
            paging.cursor = Some(value);
        } else {
            let words = known
                .iter()
                .map(|(known, _)| *known)
                .chain(["limit", "cursor"]);
            let detail = match certmill_settings::nearest(&name, words) {
                Some(word) => format!("is not known; did you mean `{word}`?"),
                None => "is not known".to_owned(),
            };
            let name: String = name.chars().take(64).collect();
            faults.push(FieldError::new(
                format!("?{name}"),
                "unknown_filter",
                detail,
            ));
        }
    }
    if faults.is_empty() {
        Ok(paging)
    } else {
        Err(Problem::of_fields(ProblemCode::InvalidQuery, faults).into())
    }
}

fn write(known: &[(&str, &Vec<String>)], paging: &Paging) -> Pairs {
    let mut pairs = Pairs::new();
    for (name, values) in known {
        pairs.extend(
            values
                .iter()
                .map(|value| ((*name).to_owned(), value.clone())),
        );
    }
    pairs.extend(
        paging
            .limit
            .map(|limit| ("limit".to_owned(), limit.to_string())),
    );
    pairs.extend(
        paging
            .cursor
            .clone()
            .map(|cursor| ("cursor".to_owned(), cursor)),
    );
    pairs
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Pairs {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let filter = JobFilter {
            state: vec!["running".into(), "available".into()],
            paging: Paging {
                limit: Some(7),
                cursor: Some("c".into()),
            },
            ..JobFilter::default()
        };
        assert_eq!(JobFilter::from_pairs(filter.to_pairs()).unwrap(), filter);
        assert_eq!(Paging::default().rows(), 50);
    }

    #[test]
    fn every_declared_parameter_is_read() {
        let given = |parameters: &[QueryParameter]| {
            let pair = |one: &QueryParameter| (one.name.to_owned(), "x".to_owned());
            parameters.iter().map(pair).collect::<Pairs>()
        };
        let certificates = CertificateFilter::from_pairs(given(CertificateFilter::PARAMETERS));
        assert_eq!(certificates.unwrap().to_pairs().len(), 2);
        let jobs = JobFilter::from_pairs(given(JobFilter::PARAMETERS));
        assert_eq!(jobs.unwrap().to_pairs().len(), 3);
    }

    #[test]
    fn all_faults_come_with_suggestions() {
        let faulty = pairs(&[("statsu", "x"), ("limit", "-1"), ("name", "a\0")]);
        let problem = CertificateFilter::from_pairs(faulty).unwrap_err();
        assert_eq!(
            (problem.code.as_str(), problem.errors.len()),
            ("invalid_query", 3)
        );
        assert!(problem.errors[0].detail.contains("`status`"));
        let long = pairs(&[("cursor", &"9".repeat(10_000))]);
        assert_eq!(Paging::from_pairs(long).unwrap_err().code, "invalid_cursor");
    }
}
