//! Forms of what is printed, and the yes that destructive verbs want.

use crate::bench::Bench;

#[test]
fn a_form_that_a_verb_lacks_is_refused_with_those_that_it_has() {
    let bench = Bench::new();
    let things = "it has table, json, yaml, jsonl, csv, name; choose one of them";
    let report = "it has table, json, yaml, jsonl; choose one of them";
    for (line, words) in [
        ("certs list -o toml", things),
        ("jobs show job_1 -o xml", things),
        ("issuers list -o JSON", things),
        ("keys add k --role viewer --out - -o name", report),
        ("status -o csv", report),
        ("explain a.example -o toml", report),
        ("doctor -o toml", report),
        (
            "config show -o csv",
            "it has table, json, yaml, toml; choose one of them",
        ),
        ("config docs -o json", "which has `table` alone"),
    ] {
        let args: Vec<&str> = line.split_whitespace().collect();
        let end = bench.run(&args);
        assert_eq!(end.code, Some(2), "{line}: {}", end.stderr);
        let begin = "error: form (flag --output): `";
        assert!(
            end.stderr.starts_with(begin) && end.stderr.contains(words) && end.stdout.is_empty(),
            "{line}: {}",
            end.stderr
        );
    }
}

#[test]
fn settings_are_shown_in_every_form_that_is_offered() {
    let bench = Bench::new();
    let show = |form| bench.run(&["config", "show", "-o", form]);
    let json = show("json").stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["poll_ms"], "1000");
    assert!(show("yaml").stdout.contains("\npoll_ms: \"1000\"\n"));
    assert!(show("toml").stdout.contains("\n# poll_ms = 1000\n"));
    let table = show("table").stdout;
    assert!(
        table
            .lines()
            .any(|line| line.split_whitespace().eq(["poll_ms", "1000"]))
    );
    let check = bench.run(&["config", "check", "-o", "jsonl"]).stdout;
    assert_eq!(check, "{\"faults\":[],\"ok\":true}\n");
}

/// The address answers nobody, so that exit code 10 means that something was about to be sent.
#[test]
fn what_cannot_be_taken_back_wants_a_yes() {
    let bench = Bench::new();
    let data = bench.folder(0o600);
    for (line, deed) in [
        (
            "certs revoke a.example --reason superseded",
            "revoke certificate a.example",
        ),
        ("keys revoke ci", "revoke API key ci"),
    ] {
        let run = |more: &[&str]| {
            let args: Vec<&str> = line.split_whitespace().collect();
            bench.run(&[&args[..], &["--data-dir", &data], more].concat())
        };
        let end = run(&[]);
        assert_eq!(end.code, Some(4), "{}", end.stderr);
        let words = format!(
            "error: {deed} (no --yes): it cannot be taken back, and nobody can be asked without a \
             terminal; nothing was done; add --yes to do it\n"
        );
        assert_eq!(end.stderr, words);
        assert_eq!(run(&["--yes"]).code, Some(10), "{line}");
    }
    for line in ["ca retire root", "kek retire 0123456789abcdef"] {
        let args: Vec<&str> = line.split_whitespace().collect();
        let url = ["--database-url", "postgres://u@127.0.0.1:9/c"];
        let end = bench.run(&[&args[..], &url].concat());
        assert_eq!(end.code, Some(4), "{line}: {}", end.stderr);
        let end = bench.run(&[&args[..], &url, &["--yes"]].concat());
        assert_ne!(end.code, Some(4), "{line}: {}", end.stderr);
    }
}
