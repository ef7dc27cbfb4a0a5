//! Examples that must fail, at least one a rule, and their innocent neighbours that must pass.
//! Invariant: no rule can stop working without a test turning red.

use super::layers::{self, Member};
use super::rule::{Fault, RULES, Rule};
use super::tree::Text;

fn text(path: &str, text: &str) -> Text {
    Text {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

fn rules(faults: &[Fault]) -> Vec<Rule> {
    faults.iter().map(|fault| fault.rule).collect()
}

/// Rules that the body of one product file breaks; the header is put in front.
fn of_rust(path: &str, body: &str) -> Vec<Rule> {
    let file = text(path, &format!("//! A header.\n{body}\n"));
    rules(&super::check(&[file]).faults)
}

fn of_page(path: &str, body: &str) -> Vec<Rule> {
    rules(&super::check(&[text(path, body)]).faults)
}

fn of_member(folder: &str, dependency: &str, tests: &[&str], manifest: &str) -> Vec<Rule> {
    let short = folder.rsplit('/').next().unwrap_or_default();
    let member = Member {
        name: format!("certmill-{short}"),
        folder: folder.to_owned(),
        dependencies: if dependency.is_empty() {
            Vec::new()
        } else {
            vec![dependency.to_owned()]
        },
        tests: tests.iter().map(|&test| test.to_owned()).collect(),
        manifest: manifest.to_owned(),
    };
    rules(&layers::check(&[member]))
}

const LINTS: &str = "[lints]\nworkspace = true\n";
const API: &str = "api/src/routes.rs";

fn body_of(name: &str, lines: usize) -> String {
    format!("fn {name}() {{\n{}}}", "    call();\n".repeat(lines - 2))
}

/// Every bad example with the rule that must catch it.
fn bad() -> Vec<(Rule, Vec<Rule>)> {
    let mut bad = vec![
        (
            Rule::Layer,
            of_member("shared/store", "certmill-api", &[], LINTS),
        ),
        (
            Rule::Layer,
            of_member("shared/domain", "certmill-telemetry", &[], LINTS),
        ),
        (
            Rule::Layer,
            of_member("connectors/issuers", "certmill-store", &[], LINTS),
        ),
        (
            Rule::Layer,
            of_member("scheduler", "certmill-service", &[], LINTS),
        ),
        (Rule::Layer, of_member("api", "certmill-worker", &[], LINTS)),
        (Rule::Crate, of_member("shared/common", "", &[], LINTS)),
        (Rule::Crate, of_member("shared/novel", "", &[], LINTS)),
        (Rule::Manifest, of_member("shared/wire", "", &[], "")),
        (
            Rule::Manifest,
            of_member(
                "shared/wire",
                "",
                &[],
                "[lints]\nworkspace = true\n[dependencies]\nhex = \"0.4\"\n",
            ),
        ),
        (
            Rule::TestTarget,
            of_member("shared/queue", "", &["it", "claims"], LINTS),
        ),
        (Rule::Sql, of_member("api", "sqlx", &[], LINTS)),
        (Rule::Apalis, of_member("scheduler", "apalis", &[], LINTS)),
        (Rule::Purity, of_member("shared/domain", "rand", &[], LINTS)),
        (
            Rule::FileSize,
            of_rust(API, &"const A: u8 = 1;\n".repeat(600)),
        ),
        (
            Rule::FileSize,
            of_rust(API, &"const A: u8 = 1;\n".repeat(450)),
        ),
        (Rule::FunctionSize, of_rust(API, &body_of("long", 80))),
        (
            Rule::FunctionSize,
            of_rust("shared/queue/tests/it/claim.rs", &body_of("long", 120)),
        ),
        (Rule::FunctionSpread, of_rust(API, &body_of("long", 51))),
        (
            Rule::MainSize,
            of_rust("cli/src/main.rs", &body_of("main", 61)),
        ),
        (Rule::Header, of_page(API, "fn a() {}\n")),
        (Rule::MissingDocs, of_rust("shared/queue/src/lib.rs", "")),
        (Rule::Unreadable, of_rust(API, "fn a( {")),
    ];
    bad.extend(bad_comments());
    bad.extend(bad_code());
    bad.extend(bad_pages());
    bad
}

fn bad_comments() -> Vec<(Rule, Vec<Rule>)> {
    let comments = [
        (Rule::Unfinished, concat!("// TO", "DO: later")),
        (Rule::Unfinished, concat!("/* FIX", "ME */")),
        (Rule::Unfinished, concat!("/// XX", "X")),
        (Rule::Ticket, concat!("// see issue", " 3")),
        (Rule::Ticket, concat!("// Phase", " 2 does it")),
        (Rule::Ticket, concat!("// fixed (#", "123)")),
        (Rule::Date, concat!("// since 2026-", "01-02")),
        (Rule::LineNumber, concat!("// as in main.rs line", " 12")),
        (Rule::LineNumber, concat!("// see (lines", " 7)")),
        (Rule::Ticket, concat!("// (Issue", " #3)")),
        (Rule::History, concat!("// good enough for", " now")),
        (Rule::History, concat!("// this used to", " be a list")),
        (Rule::CommentedCode, "// let a = call(b)?;"),
        (Rule::CommentedCode, "// if ready {"),
        (Rule::CommentedCode, "// }"),
        (Rule::CommentedCode, "// use std::fmt;"),
        (Rule::Promise, concat!("// runs exactly", " once")),
    ];
    let rust = comments.map(|(rule, comment)| (rule, of_rust(API, comment)));
    let sql = of_page("migrations/0001_a.sql", concat!("-- TO", "DO\nselect 1;"));
    let toml = of_page("clippy.toml", concat!("a = 1 # see issue", " 3"));
    rust.into_iter()
        .chain([(Rule::Unfinished, sql), (Rule::Ticket, toml)])
        .collect()
}

fn bad_code() -> Vec<(Rule, Vec<Rule>)> {
    let code = [
        (Rule::DeadCode, "#[allow(dead_code)]\nfn a() {}"),
        (
            Rule::SilentAllow,
            "#[allow(clippy::disallowed_methods)]\nfn a() {}",
        ),
        (Rule::TypeName, "struct JobManager;"),
        (Rule::TypeName, "enum Info {}"),
        (Rule::TypeName, "trait EventProcessor {}"),
        (Rule::TypeName, "type JobData = u8;"),
        (Rule::GetPrefix, "fn get_job() {}"),
        (Rule::GetPrefix, "impl A { fn get_job(&self) {} }"),
        (Rule::GetPrefix, "trait A { fn get_job(&self); }"),
        (Rule::Apalis, "use apalis::prelude::*;"),
        (
            Rule::Apalis,
            "#[cfg(test)]\nmod tests { use apalis_core::task::Task; }",
        ),
        (Rule::Sql, "async fn a() { sqlx::query(\"select 1\"); }"),
        (Rule::Sql, "use sqlx::PgPool;"),
        (Rule::Spawn, "fn a() { tokio::spawn(async {}); }"),
        (Rule::Spawn, "use tokio::{spawn, time::sleep};"),
        (Rule::Ticker, "fn a() { tokio::time::interval(b); }"),
        (
            Rule::Ticker,
            "use tokio::time;\nfn a() { tokio::select! { _ = time::interval_at(b, c) => {} } }",
        ),
        (Rule::Clock, "fn a() { time::OffsetDateTime::now_utc(); }"),
        (Rule::Clock, "fn a() { std::time::SystemTime::now(); }"),
        (Rule::Environment, "fn a() { std::env::var(\"A\"); }"),
        (Rule::Process, "use tokio::process::Command;"),
        (
            Rule::Process,
            "fn a() { std::process::Command::new(\"ls\"); }",
        ),
    ];
    let elsewhere = [
        (
            Rule::Purity,
            of_rust(
                "shared/domain/src/id.rs",
                "fn a() { std::time::Instant::now(); }",
            ),
        ),
        (
            Rule::Purity,
            of_rust("shared/domain/src/id.rs", "use rand::Rng;"),
        ),
        (
            Rule::LeaderLease,
            of_rust(
                "worker/src/a.rs",
                "use certmill_coordination::leader::Term;",
            ),
        ),
        (
            Rule::LeaderLease,
            of_rust("worker/src/a.rs", "use certmill_coordination::LeaderTerm;"),
        ),
        (Rule::FileName, of_rust("api/src/utils.rs", "")),
        (
            Rule::SessionLock,
            of_rust(
                "shared/pg/src/a.rs",
                concat!("const A: &str = \"select pg_advisory", "_lock(1)\";"),
            ),
        ),
    ];
    code.map(|(rule, code)| (rule, of_rust(API, code)))
        .into_iter()
        .chain(elsewhere)
        .collect()
}

fn bad_pages() -> Vec<(Rule, Vec<Rule>)> {
    vec![
        (
            Rule::OrphanSql,
            of_page("shared/store/src/lonely.sql", "select 1"),
        ),
        (
            Rule::Sequence,
            of_page("migrations/0002_later.sql", "select 1"),
        ),
        (Rule::Sequence, of_page("migrations/first.sql", "select 1")),
        (
            Rule::Sequence,
            of_page("migrations/0001_a.down.sql", "select 1"),
        ),
        (Rule::Sequence, of_page("docs/adr/0007-jump.md", "text")),
        (
            Rule::MachinePath,
            of_page("README.md", concat!("cd /wo", "rk/main")),
        ),
        (
            Rule::MachinePath,
            of_page("a.sh", concat!("cp x /ho", "me/somebody/")),
        ),
        (
            Rule::MachinePath,
            of_rust(API, concat!("const A: &str = \"/ro", "ot/.cargo\";")),
        ),
        (
            Rule::Registry,
            of_page("README.md", concat!("https://registry.", "npmjs.org/x")),
        ),
        (
            Rule::Registry,
            of_page(".cargo/config.toml", "[source.mirror]"),
        ),
        (
            Rule::Registry,
            of_page("Cargo.lock", "source = \"git+https://example.com/a\""),
        ),
        (
            Rule::Email,
            of_page("README.md", concat!("write to jane.doe", "@firm.io")),
        ),
        (
            Rule::NpmResolved,
            of_page("e2e/package-lock.json", "  \"resolved\": \"x\","),
        ),
        (Rule::Link, of_page("docs/a.md", "[b](b.md)")),
        (
            Rule::Promise,
            of_page("README.md", concat!("delivers exactly", "-once")),
        ),
    ]
}

#[test]
fn every_bad_example_is_caught() {
    for (number, (rule, found)) in bad().into_iter().enumerate() {
        assert!(
            found.contains(&rule),
            "example {number} for {rule:?} was not caught: {found:?}"
        );
    }
}

#[test]
fn every_rule_has_an_example_and_a_text() {
    let shown: Vec<Rule> = bad().into_iter().map(|(rule, _)| rule).collect();
    for (index, (rule, why, remedy)) in RULES.iter().enumerate() {
        assert_eq!(
            *rule as usize, index,
            "{rule:?} stands at the wrong place of RULES"
        );
        assert!(shown.contains(rule), "{rule:?} has no failing example");
        assert!(!why.is_empty() && !remedy.is_empty());
    }
}

#[test]
fn innocent_code_passes() {
    let code = [
        ("shared/queue/src/apalis.rs", "use apalis_core::task::Task;"),
        (
            "shared/queue/src/names.rs",
            "mod apalis;\npub use self::apalis::Backend;",
        ),
        (
            "worker/src/runtime.rs",
            "use certmill_queue::apalis::Backend;\nuse apalis::prelude::Monitor;",
        ),
        (
            "shared/store/src/job.rs",
            "fn a() { sqlx::query(\"select 1\"); }",
        ),
        (
            "shared/tasks/src/ticker.rs",
            "fn a() { tokio::time::interval(b); tokio::spawn(c); }",
        ),
        (
            "api/src/a.rs",
            "#[cfg(test)]\nmod tests {\n fn a() { tokio::spawn(b); }\n}",
        ),
        ("api/tests/it/main.rs", "fn a() { std::env::var(\"A\"); }"),
        (
            "api/src/b.rs",
            "struct Metadata;\nstruct DataFolder;\nimpl Read for A { fn get_x(&self) {} }",
        ),
        (
            "api/src/c.rs",
            "/// `2026-01-02` and `#12`, PKCS #12; the pid file's line 8 of ten\nfn a() {}",
        ),
        (
            "api/src/d.rs",
            "// Rows that nobody holds; the rest waits (see `claim`);\n// so it is: {id}\nfn a() {}",
        ),
        (
            "api/src/e.rs",
            "use clap::Command;\nfn a() { command.interval(1); let spawn = 1; }",
        ),
        (
            "worker/src/f.rs",
            "use certmill_coordination::limit::Budget;",
        ),
    ];
    for (path, body) in code {
        assert_eq!(of_rust(path, body), [], "{path}");
    }
}

#[test]
fn innocent_pages_and_crates_pass() {
    let pages = [
        (
            "README.md",
            "Write to admin@example.com; postgres://app:pw@db.firm.io/x; a@1.2.3; ~/x",
        ),
        (
            "deploy/systemd/certmill.service",
            "# certmill-worker@.service\n[Unit]",
        ),
        (
            "docs/a.md",
            "[rfc](https://www.rfc-editor.org/) [here](#part) [self](a.md)",
        ),
        (
            "Cargo.lock",
            "source = \"registry+https://github.com/rust-lang/crates.io-index\"",
        ),
        ("migrations/0001_first.sql", "-- Why it is so.\nselect 1;"),
    ];
    for (path, body) in pages {
        assert_eq!(of_page(path, body), [], "{path}");
    }
    assert_eq!(of_member("shared/store", "certmill-pg", &["it"], LINTS), []);
    assert_eq!(of_member("api", "certmill-service", &["it"], LINTS), []);
    assert_eq!(of_member("worker", "certmill-issuers", &["it"], LINTS), []);
    assert_eq!(of_member("cli", "certmill-worker", &["process"], LINTS), []);
}

#[test]
fn a_fault_says_where_what_why_and_what_to_do() {
    let faults = super::check(&[text(API, "//! Header.\nfn get_a() {}\n")]).faults;
    let line = faults.first().map(ToString::to_string).unwrap_or_default();
    assert!(
        line.starts_with("api/src/routes.rs:2: function `get_a`; "),
        "{line}"
    );
    assert_eq!(line.matches("; ").count(), 2, "{line}");
}
