//! Parses a request's body, all faults at once.
//!
//! Invariant: what comes out has the right form and refused unknown and doubled fields.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::shape::Shape;
use crate::{FieldError, Problem, ProblemCode, depth, private_key};

/// A body that the API takes.
pub trait Request: DeserializeOwned {
    /// Its form.
    const SHAPE: Shape;

    /// Faults beyond the form (bounds, exclusions).
    fn faults(&self) -> Vec<FieldError> {
        Vec::new()
    }
}

/// Parses a body.
///
/// # Errors
/// `invalid_json` with line and column, or `invalid_request` with all faults.
pub fn parse<T: Request>(body: &[u8]) -> Result<T, Box<Problem>> {
    if let Some(place) = depth::too_deep(body) {
        return Err(too_deep(&body[..place]));
    }
    let value: Value = serde_json::from_slice(body).map_err(|error| not_json(body, &error))?;
    let faults = T::SHAPE.faults(&value);
    if !faults.is_empty() {
        return Err(Problem::of_fields(ProblemCode::InvalidRequest, faults).into());
    }
    // Parsed again from the text, since a `Value` has lost doubled keys.
    let request: T = serde_json::from_slice(body).map_err(|error| not_json(body, &error))?;
    let faults = request.faults();
    if !faults.is_empty() {
        return Err(Problem::of_fields(ProblemCode::InvalidRequest, faults).into());
    }
    Ok(request)
}

fn too_deep(before: &[u8]) -> Box<Problem> {
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + before
        .iter()
        .rev()
        .take_while(|byte| **byte != b'\n')
        .count();
    let most = depth::MOST;
    let detail =
        format!("the body is nested deeper than {most} levels, line {line} column {column}");
    Problem::new(ProblemCode::InvalidJson, detail).into()
}

fn not_json(body: &[u8], error: &serde_json::Error) -> Box<Problem> {
    if private_key::is_in(body) {
        return Problem::private_key_received().into();
    }
    let (line, column) = (error.line(), error.column());
    // Only the place and the sort of fault: the parser's own words may quote the body.
    let what = match error.classify() {
        serde_json::error::Category::Eof => "ends too early",
        serde_json::error::Category::Data => "has a doubled or unfit field",
        _ => "is not valid JSON",
    };
    let detail = format!("the body {what}, line {line} column {column}");
    Problem::new(ProblemCode::InvalidJson, detail).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{BulkCertificateRequest, CertificateRequest, ProfileRequest};

    #[test]
    fn takes_a_good_body() {
        let body = br#"{"name":"a.example","sans":["b.example"],"profile":null}"#;
        let request: CertificateRequest = parse(body).unwrap();
        assert_eq!(request.sans.unwrap(), ["b.example"]);
        let body = br#"{"name":"p","lifetime_s":60,"renew":{"fraction":0.5}}"#;
        assert_eq!(parse::<ProfileRequest>(body).unwrap().lifetime_s, 60);
    }

    #[test]
    fn lists_all_faults_with_pointers() {
        let body = br#"{"sans":["ok",5],"profil":"x","csr":"a\u0000b","a/b":1}"#;
        let problem = parse::<CertificateRequest>(body).unwrap_err();
        assert_eq!(
            (problem.status, problem.code.as_str()),
            (400, "invalid_request")
        );
        let faults: Vec<_> = problem
            .errors
            .iter()
            .map(|e| (e.pointer.as_str(), e.code.as_str()))
            .collect();
        assert_eq!(
            faults,
            [
                ("/name", "missing_field"),
                ("/sans/1", "wrong_type"),
                ("/csr", "nul_character"),
                ("/a~1b", "unknown_field"),
                ("/profil", "unknown_field"),
            ]
        );
        assert!(problem.errors[4].detail.contains("`profile`"));
    }

    #[test]
    fn refuses_what_is_not_json() {
        for body in [
            &b"{"[..],
            b"",
            b"{\"name\":\"a\"} x",
            b"{\"name\":\"a\",\"name\":\"b\"}",
            b"{\"name\":NaN}",
            b"{\"name\":1e400}",
            b"{\"name\":\"\\ud800\"}",
            b"{\"name\":\"\xff\"}",
        ] {
            let problem = parse::<CertificateRequest>(body).unwrap_err();
            assert_eq!(
                problem.code,
                "invalid_json",
                "{}",
                String::from_utf8_lossy(body)
            );
            assert!(
                problem.detail.contains("line 1 column"),
                "{}",
                problem.detail
            );
        }
        assert_eq!(
            parse::<CertificateRequest>(b"[]").unwrap_err().code,
            "invalid_request"
        );
    }

    #[test]
    fn bulk_has_bounds() {
        let none = parse::<BulkCertificateRequest>(br#"{"certificates":[]}"#).unwrap_err();
        assert_eq!(none.errors[0].pointer, "/certificates");
        let nested = parse::<BulkCertificateRequest>(br#"{"certificates":[{"name":"a"},{}]}"#);
        assert_eq!(
            nested.unwrap_err().errors[0].pointer,
            "/certificates/1/name"
        );
    }

    #[test]
    fn renewal_is_one_of_two() {
        for renew in ["{}", r#"{"fraction":0.5,"before_s":60}"#] {
            let body = format!(r#"{{"name":"p","lifetime_s":600,"renew":{renew}}}"#);
            let problem = parse::<ProfileRequest>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.errors[0].pointer, "/renew");
        }
    }
}
