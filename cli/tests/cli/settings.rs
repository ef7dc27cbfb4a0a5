//! Settings and what `config` says of them, in exact words.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::bench::Bench;

#[test]
fn bad_settings_come_all_at_once_with_3() {
    let bench = Bench::new().with("CERTMILL_POLL_MS", "soon");
    let file = bench.home.path().join("c.toml");
    fs::write(
        &file,
        "databse_url = 'postgres://u:canary@h/c'\nwake = 'maybe'\n",
    )
    .unwrap();
    let end = bench.run(&["worker", "--config", file.to_str().unwrap()]);
    assert_eq!(end.code, Some(3), "{}", end.stderr);
    assert!(
        end.stderr.contains("did you mean `database_url`"),
        "{}",
        end.stderr
    );
    let errors = end
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .count();
    assert!(errors >= 3, "{}", end.stderr);
}

#[test]
fn bad_settings_are_refused_in_their_words() {
    let twice = "poll_ms = 10\nwake = 'poll'\npoll_ms = 20\n";
    let beats = "[process]\nlease_ms = 5000\nbeat_ms = 30000\nrescue_ms = 1000\n";
    let torn = "database_url = 'postgres://u:can@ary/word@h:5432/c'\n";
    let plain = "database_url = 'postgres://u:canary@db.example.com/c?sslmode=disable'\n";
    for (toml, words) in [
        (
            "# one\n# two\ndatabse_url = 'postgres://u:canary@h/c'\n",
            "unknown key `databse_url` (c.toml line 3): there is no such setting; did you mean `database_url`?",
        ),
        (
            twice,
            "`poll_ms` (c.toml line 3): the key stands twice, first in line 1; keep one of them",
        ),
        (
            beats,
            "`process.lease_ms` (c.toml line 2): the lease (5000 ms) must be more than 3 x the \
             heartbeat `process.beat_ms` (30000 ms); raise the lease above 90000 ms or lower the \
             heartbeat",
        ),
        (
            torn,
            "`database_url` (c.toml line 1): host and port cannot be told from the password; \
             percent-encode",
        ),
        (
            plain,
            "`database_url` (c.toml line 1): sslmode=disable to a host on the network does not \
             prove who answers; use sslmode=verify-full, or lower it on purpose with database.tls",
        ),
    ] {
        let bench = Bench::new();
        fs::write(bench.home.path().join("c.toml"), toml).unwrap();
        for args in [&["config", "check"][..], &["worker"]] {
            let args = [args, &["--config", "c.toml"]].concat();
            let end = bench.run(&args);
            assert_eq!(end.code, Some(3), "{words}: {}", end.stderr);
            assert!(end.stderr.contains(words), "{words}: {}", end.stderr);
        }
    }
}

#[test]
fn odd_bytes_of_editors_are_fine() {
    let bench = Bench::new();
    let text = "\u{feff}# made elsewhere\r\npoll_ms\t=\t500\r\n";
    fs::write(bench.home.path().join("c.toml"), text).unwrap();
    let end = bench.run(&["config", "check", "--config", "c.toml"]);
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_key_file_of_the_wrong_length_is_refused_without_its_content() {
    let hex = format!("{}\n", "c0ffee99".repeat(8));
    for (content, got) in [("canary".repeat(5) + "x", 31), (hex, 65)] {
        let bench = Bench::new();
        let file = bench.home.path().join("app.kek");
        fs::write(&file, &content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let set = format!("app_kek_file={}", file.display());
        let url = "postgres://u@127.0.0.1:9/c";
        for args in [&["api", "--database-url", url][..], &["config", "check"]] {
            let end = bench.run(&[args, &["--set", &set]].concat());
            assert_eq!(end.code, Some(3), "{}", end.stderr);
            let words = format!("needs 32 bytes, got {got}");
            assert!(end.stderr.contains(&words), "{}", end.stderr);
            assert!(!end.stderr.contains("c0ffee"), "{}", end.stderr);
        }
    }
}

#[test]
fn config_check_tells_all_faults_those_of_files_too() {
    let bench = Bench::new().with("CERTMILL_POLL_MS", "soon");
    let kek = bench.home.path().join("ca.kek");
    fs::write(&kek, [b'c'; 31]).unwrap();
    fs::set_permissions(&kek, fs::Permissions::from_mode(0o600)).unwrap();
    let set = format!("ca_kek_file={}", kek.display());
    let args = ["config", "check", "--set", &set, "--log-filter", "a=b=c"];
    let end = bench.run(&args);
    assert_eq!(end.code, Some(3), "{}", end.stderr);
    for words in [
        "`poll_ms` (env CERTMILL_POLL_MS): must be a whole number",
        "needs 32 bytes, got 31",
        "`log.filter` (flag --log-filter)",
    ] {
        assert!(end.stderr.contains(words), "{words}: {}", end.stderr);
    }
    let end = Bench::new().run(&["config", "check"]);
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""));
    assert!(end.stdout.starts_with("OK: "), "{}", end.stdout);
}

#[test]
fn config_show_masks_secrets_and_names_origins() {
    let url = "postgres://u:canary@localhost/c?password=canary";
    let bench = Bench::new().with("CERTMILL_DATABASE_URL", url);
    for form in ["table", "json", "toml"] {
        let end = bench.run(&["config", "show", "--origin", "-o", form, "--role", "api"]);
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        assert!(!end.stdout.contains("canary"), "{}", end.stdout);
        for words in ["postgres://u:****@localhost/c", "env CERTMILL_DATABASE_URL"] {
            assert!(end.stdout.contains(words), "{form}: {}", end.stdout);
        }
    }
    let end = bench.run(&["config", "show", "-o", "toml"]);
    let file = bench.home.path().join("shown.toml");
    fs::write(&file, &end.stdout).unwrap();
    let again = bench.run(&["config", "check", "--config", file.to_str().unwrap()]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!(bench.run(&["status", "-o", "toml"]).code, Some(2));
}

#[test]
fn config_docs_is_the_reference_page() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/settings.md");
    let end = Bench::new().run(&["config", "docs"]);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert!(end.stdout == fs::read_to_string(page).unwrap());
}
