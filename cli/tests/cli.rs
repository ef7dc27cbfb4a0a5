//! The built binary where no server is needed: usage, refusals, exit codes, quiet ends.
//!
//! Invariant: each run sees only the variables that the test names.
#![allow(clippy::unwrap_used)]
#![allow(
    clippy::disallowed_methods,
    reason = "the binary under test is a process"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use certmill_crypto::token::ApiKey;
use tempfile::TempDir;

struct Bench {
    home: TempDir,
    vars: Vec<(&'static str, String)>,
}

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Bench {
    fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            vars: Vec::new(),
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.vars.push((name, value.into()));
        self
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certmill"));
        command
            .args(args)
            .env_clear()
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
            .env("HOME", self.home.path())
            .envs(self.vars.iter().map(|(k, v)| (k, v)));
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        ended(self.command(args).output().unwrap())
    }

    /// A data folder with a key and the address of a port where nobody listens.
    fn folder(&self, key_mode: u32) -> String {
        let closed = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let dir = self.home.path().join("data");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("url"), format!("https://{closed}\n")).unwrap();
        write_key(&dir.join("admin.key"), key_mode);
        dir.display().to_string()
    }
}

fn write_key(path: &Path, mode: u32) {
    fs::write(path, "canary-key\n").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn ended(output: Output) -> Ended {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(
        !stderr.contains("panicked") && !stderr.contains("canary"),
        "{stderr}"
    );
    Ended {
        code: output.status.code(),
        stdout,
        stderr,
    }
}

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

#[test]
fn a_client_without_a_server_says_what_to_do() {
    let end = Bench::new().run(&["certs", "list", "--data-dir", "nowhere"]);
    assert_eq!(end.code, Some(3), "{}", end.stderr);
    assert!(
        end.stderr
            .starts_with("error: API key (nowhere/admin.key): "),
        "{}",
        end.stderr
    );
    assert!(end.stderr.contains("certmill up"), "{}", end.stderr);
}

#[test]
fn plain_http_and_lax_keys_are_refused_with_3() {
    let bench = Bench::new();
    let data = bench.folder(0o644);
    let end = bench.run(&[
        "--data-dir",
        &data,
        "certs",
        "list",
        "--url",
        "http://127.0.0.1:1",
    ]);
    assert_eq!(end.code, Some(3), "{}", end.stderr);
    assert!(
        end.stderr.contains("plain HTTP is refused; use https://"),
        "{}",
        end.stderr
    );
    assert!(
        end.stderr
            .contains("mode is 0644, must be 0600 or stricter"),
        "{}",
        end.stderr
    );
}

#[test]
fn a_key_among_the_arguments_is_refused() {
    let (bench, key) = (Bench::new(), ApiKey::generate().unwrap());
    let glued = format!("--key={}", key.expose());
    for args in [
        &["certs", "list", "--api-key", "canary"][..],
        &["keys", "list", "--key", key.expose()],
        &["certs", "add", "a.example", &glued],
        &["keys", "show", key.expose()],
    ] {
        let end = bench.run(args);
        assert_eq!(end.code, Some(2), "{}", end.stderr);
        let words = "refused: an argument is visible in `ps` to every user of this machine; \
                     use env or file";
        assert!(end.stderr.contains(words), "{}", end.stderr);
        assert!(!end.stderr.contains(key.expose()) && end.stdout.is_empty());
    }
}

#[test]
fn a_new_key_needs_a_new_file_before_it_is_asked_for() {
    let bench = Bench::new();
    let data = bench.folder(0o600);
    write_key(&bench.home.path().join("there"), 0o600);
    let add = |out| {
        let args = ["keys", "add", "ci", "--role", "viewer", "--data-dir", &data];
        bench.run(&[&args[..], &["--out", out]].concat())
    };
    let end = add("there");
    assert_eq!(end.code, Some(5), "{}", end.stderr);
    assert!(end.stderr.contains("never overwritten"), "{}", end.stderr);
    assert_eq!(add("no/where").code, Some(3));
    let end = add("new");
    assert_eq!(end.code, Some(10), "{}", end.stderr);
    assert!(end.stderr.contains("certmill keys list"), "{}", end.stderr);
    assert!(!bench.home.path().join("new").exists());
}

#[test]
fn the_first_admin_needs_no_key_but_a_private_token() {
    let bench = Bench::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", closed.local_addr().unwrap());
    drop(closed);
    let token = bench.home.path().join("token");
    let args = [
        "keys",
        "bootstrap",
        "--token-file",
        "token",
        "--out",
        "k",
        "--url",
    ];
    let run = || bench.run(&[&args[..], &[&url]].concat());
    write_key(&token, 0o644);
    let end = run();
    assert_eq!(end.code, Some(3), "{}", end.stderr);
    let words = "mode is 0644, must be 0600 or stricter";
    assert!(end.stderr.contains(words), "{}", end.stderr);
    assert!(!bench.home.path().join("k").exists());
    write_key(&token, 0o600);
    let end = run();
    assert_eq!(end.code, Some(10), "{}", end.stderr);
    assert!(end.stderr.contains("--api-key-file k"), "{}", end.stderr);
    let kept = fs::metadata(bench.home.path().join("k")).unwrap();
    assert_eq!(kept.permissions().mode() & 0o777, 0o600);
    assert_eq!(run().code, Some(5));
}

#[test]
fn the_newline_after_a_key_is_no_part_of_it() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", closed.local_addr().unwrap());
    drop(closed);
    let bench = Bench::new().with("CERTMILL_API_KEY", "canary-key\n");
    let end = bench.with("CERTMILL_URL", url).run(&["status"]);
    assert_eq!(end.code, Some(10), "{}", end.stderr);
}

#[test]
fn a_key_with_a_control_character_is_named_by_its_variable() {
    let end = Bench::new()
        .with("CERTMILL_API_KEY", "canary\tkey")
        .run(&["status"]);
    assert_eq!(end.code, Some(3), "{}", end.stderr);
    assert!(end.stderr.contains("CERTMILL_API_KEY"), "{}", end.stderr);
}

#[test]
fn a_silent_address_is_10_and_leaves_no_key_behind() {
    let bench = Bench::new();
    let data = bench.folder(0o600);
    let end = bench.run(&["certs", "add", "shop.example.com", "--data-dir", &data]);
    assert_eq!(end.code, Some(10), "{}", end.stderr);
    assert!(
        end.stderr.contains("cannot be reached") && end.stdout.is_empty(),
        "{}",
        end.stderr
    );
    assert!(!bench.home.path().join("shop.example.com.key").exists());
}

#[test]
fn the_environment_names_a_server() {
    let bench = Bench::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    write_key(&bench.home.path().join("k"), 0o600);
    let bench = bench
        .with("CERTMILL_URL", format!("https://{closed}/api/v1/"))
        .with("CERTMILL_API_KEY_FILE", "k");
    let end = bench.run(&["jobs", "list"]);
    assert_eq!(end.code, Some(10), "{}", end.stderr);
    assert!(
        end.stderr.contains(&format!("(https://{closed})")),
        "{}",
        end.stderr
    );
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let bench = Bench::new();
    let mut child = bench
        .command(&["certs", "add", "--help"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let end = ended(child.wait_with_output().unwrap());
    assert!(matches!(end.code, Some(0) | Some(141)), "{:?}", end.code);
    assert_eq!(end.stderr, "");
    for args in [&["config", "docs"][..], &["config", "show", "-o", "json"]] {
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
