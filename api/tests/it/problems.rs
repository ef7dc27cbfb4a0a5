//! The page of problems names every code with its status.

use certmill_wire::ProblemCode;

const PAGE: &str = include_str!("../../../docs/reference/problems.md");

#[test]
fn every_code_is_explained() {
    for code in ProblemCode::ALL {
        let row = format!("| `{}` | {} |", code.as_str(), code.status());
        assert!(PAGE.contains(&row), "no row {row}");
    }
}
