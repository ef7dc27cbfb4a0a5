//! The command line itself: usage errors, help, and readers that go away.

use std::process::Stdio;

use crate::bench::{Bench, ended};

#[test]
fn usage_errors_send_nothing_and_exit_with_2() {
    let bench = Bench::new();
    for (line, words) in [
        ("certs list --limit -1", "--limit must be 1..500"),
        ("certs renew", "Usage: certmill certs renew"),
        ("certs add *.com", "wildcard"),
        ("certs ad x", "add"),
        ("profiles add p --lifetime 47", "47d"),
        ("certs list --api-key canary-key", "CERTMILL_API_KEY_FILE"),
        ("up --url https://h", "--url"),
        (
            "up --database-url postgres://u:canary@h/c",
            "CERTMILL_DATABASE_URL_FILE",
        ),
        (
            "worker --set migrate_url=postgres://u:canary@h/c",
            "PGPASSFILE",
        ),
        ("", "Usage"),
    ] {
        let args: Vec<&str> = line.split_whitespace().collect();
        let end = bench.run(&args);
        assert_eq!(end.code, Some(2), "{line}: {}", end.stderr);
        assert!(
            end.stderr.contains(words) && end.stdout.is_empty(),
            "{line}: {}",
            end.stderr
        );
    }
}

#[test]
fn help_and_version_are_data() {
    let bench = Bench::new();
    for args in [&["--help"][..], &["certs", "add", "--help"], &["--version"]] {
        let end = bench.run(args);
        assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""));
        assert!(end.stdout.contains("certmill"), "{}", end.stdout);
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let bench = Bench::new();
    for args in [
        &["certs", "add", "--help"][..],
        &["config", "docs"],
        &["config", "show", "-o", "json"],
    ] {
        let mut child = bench
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let end = ended(child.wait_with_output().unwrap());
        assert!(matches!(end.code, Some(0) | Some(141)), "{:?}", end.code);
        assert_eq!(end.stderr, "");
    }
}
