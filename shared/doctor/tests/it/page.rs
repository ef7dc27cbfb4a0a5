//! The page in docs names every check.

use certmill_doctor::CHECKS;

#[test]
fn every_check_has_a_section() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/how-to/doctor.md");
    let page = std::fs::read_to_string(path).unwrap();
    let sections: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## `"))
        .filter_map(|line| line.strip_suffix('`'))
        .collect();
    let ids: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
    assert_eq!(
        sections, ids,
        "sections of docs/how-to/doctor.md, in the order of the checks"
    );
}
