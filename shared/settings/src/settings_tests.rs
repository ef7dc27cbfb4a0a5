//! Whole loads of settings: precedence, and the refusals with their words.
#![allow(clippy::unwrap_used)]

use std::fs;

use secrecy::ExposeSecret as _;

use super::*;
use crate::Problem;

const REMOTE: (&str, &str) = ("CERTMILL_DATABASE_URL", "postgres://u@db.example.com/c");

fn with_file(role: Role, toml: &str, env: Env) -> Result<Settings, Error> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("certmill.toml");
    fs::write(&file, toml).unwrap();
    Settings::load(
        role,
        &Overrides {
            config: Some(file),
            ..Overrides::default()
        },
        &env,
    )
}

fn problems(toml: &str) -> Vec<Problem> {
    let error = with_file(Role::Up, toml, Env::default()).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    error.problems().to_vec()
}

fn only(toml: &str) -> String {
    let problems = problems(toml);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].to_string()
}

#[test]
fn an_empty_machine_needs_no_settings() {
    let env = Env::with_vars([("HOME", "/h/u")]);
    let settings = Settings::load(Role::Up, &Overrides::default(), &env).unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8443");
    assert_eq!(settings.ca_kek_file, settings.data_dir.join("ca.kek"));
    assert_eq!(
        settings.app_kek_next_file,
        settings.data_dir.join("app.kek.next")
    );
    assert_eq!(settings.process.rescue, Duration::from_secs(10));
    assert_eq!(settings.worker.name, "host-1");
    assert_eq!(settings.worker.queues, ["*"]);
    assert_eq!(settings.max_connections(Role::Api), 50);
    assert_eq!(settings.max_connections(Role::Worker), 20);
    assert_eq!(settings.log.format, LogFormat::Json);
    assert!(settings.migrate_at_boot && settings.database.url.is_none());
    assert_eq!(settings.api.backend, LimitsBackend::Postgres);
    assert_eq!(
        (settings.api.address_rate_per_s, settings.api.address_burst),
        (5_000, 10_000)
    );
    let on_terminal = Env {
        is_terminal: true,
        ..env
    };
    let up = Settings::load(Role::Up, &Overrides::default(), &on_terminal).unwrap();
    assert_eq!(up.log.format, LogFormat::Text);
}

#[test]
fn an_address_may_send_what_five_keys_may() {
    let read = |toml| with_file(Role::Up, toml, Env::default()).unwrap().api;
    let api = read("[api]\nrate_per_s = 300_000\nburst = 7\n");
    assert_eq!((api.address_rate_per_s, api.address_burst), (1_000_000, 35));
    let api = read("[limits]\nbackend = 'memory'\n");
    assert_eq!(api.backend, LimitsBackend::Memory);
    assert!(only("[limits]\nbackend = 'redis'\n").contains("limits.backend"));
}

#[test]
fn flags_win_over_environment_over_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.toml");
    let toml =
        "poll_ms = 1_500\nlisten = '127.0.0.1:1'\n[worker]\nname = 'file'\nconcurrency = 7\n";
    fs::write(&file, toml).unwrap();
    let env = Env::with_vars([
        ("CERTMILL_CONFIG", file.to_str().unwrap()),
        ("CERTMILL_WORKER__NAME", "env"),
        ("CERTMILL_LISTEN", "127.0.0.1:2"),
        ("CERTMILL_WORKER__QUEUES", "renewal, issue:*"),
        ("CERTMILL_SERVICE_HOST", "10.0.0.1"),
        ("CERTMILL_PORT_8443_TCP", "tcp://10.0.0.1:8443"),
        ("CERTMILL_POLL_MS", ""),
    ]);
    let flags = Overrides {
        listen: Some("127.0.0.1:3".into()),
        set: vec![("migrate_at_boot".into(), "false".into())],
        ..Overrides::default()
    };
    let settings = Settings::load(Role::Up, &flags, &env).unwrap();
    assert_eq!(settings.listen.port(), 3);
    assert_eq!(settings.worker.name, "env");
    assert_eq!(settings.worker.concurrency, 7);
    assert_eq!(settings.worker.queues, ["renewal", "issue:*"]);
    assert_eq!(settings.poll, Duration::from_millis(1500));
    assert!(!settings.migrate_at_boot);
}

#[test]
fn an_unknown_key_names_its_line_and_the_meant_one() {
    let text = only("# comment\n\ndatabse_url = 'postgres://u:canary@h/c'\n");
    assert!(
        text.contains("line 3") && text.contains("did you mean `database_url`"),
        "{text}"
    );
    assert!(!text.contains("canary"), "{text}");
    let text = only("[worker]\nconcurency = 3\n");
    assert!(
        text.contains("line 2") && text.contains("`worker.concurrency`"),
        "{text}"
    );
    let env = Env::with_vars([("CERTMILL_WORKER_NAME", "x")]);
    let text = Settings::load(Role::Up, &Overrides::default(), &env)
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("did you mean `CERTMILL_WORKER__NAME`"),
        "{text}"
    );
}

#[test]
fn a_duplicate_names_both_lines_and_odd_bytes_are_fine() {
    let text = only("poll_ms = 10\nlisten = '[::]:1'\npoll_ms = 20\n");
    assert!(
        text.contains("line 3") && text.contains("first in line 1"),
        "{text}"
    );
    let text = only("[process]\nbeat_ms = 80\n[worker]\nname = 'a'\nname = 'b'\n");
    assert!(
        text.contains("line 5") && text.contains("first in line 4"),
        "{text}"
    );
    let odd = "\u{feff}listen\t=\t'127.0.0.1:9'\r\n[worker]\r\n\tname = 'n'\r\n";
    let settings = with_file(Role::Up, odd, Env::default()).unwrap();
    assert_eq!(
        (settings.listen.port(), settings.worker.name.as_str()),
        (9, "n")
    );
}

#[test]
fn the_lease_must_outlast_three_beats() {
    let text = only("[process]\nlease_ms = 5000\nbeat_ms = 30000\n");
    assert!(
        text.contains("5000 ms") && text.contains("30000 ms"),
        "{text}"
    );
    assert!(
        text.contains("3 x the heartbeat") && text.contains("line 2"),
        "{text}"
    );
    assert!(
        with_file(
            Role::Up,
            "process = { lease_ms = 5000, beat_ms = 1200 }",
            Env::default()
        )
        .is_ok()
    );
}

#[test]
fn an_unescaped_password_is_explained_and_not_shown() {
    let text = only("database_url = 'postgres://u:p@ss/word@h:5432/c'\n");
    assert!(
        text.contains("percent-encode") && !text.contains("word@h"),
        "{text}"
    );
}

#[test]
fn weak_tls_needs_a_purpose() {
    let load = |url: &str, more: &str| {
        with_file(
            Role::Api,
            &format!("database_url = '{url}'\n{more}"),
            Env::default(),
        )
    };
    let text = load("postgres://u@db.example.com/c?sslmode=disable", "")
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("database.tls = \"require\" or \"disable\""),
        "{text}"
    );
    let tls = |url: &str, more: &str| load(url, more).unwrap().database.tls;
    assert_eq!(
        tls("postgres://u@db.example.com/c", ""),
        DatabaseTls::VerifyFull
    );
    assert_eq!(
        tls("postgres://u@127.0.0.1/c?sslmode=disable", ""),
        DatabaseTls::Disable
    );
    assert_eq!(tls("postgres:///c?host=/run/pg", ""), DatabaseTls::Disable);
    let split = "migrate_url = 'postgres://u@db.example.com/c'\n";
    assert_eq!(
        tls("postgres:///c?host=/run/pg", split),
        DatabaseTls::VerifyFull
    );
    let lowered = "[database]\ntls = 'disable'\n";
    assert_eq!(
        tls("postgres://u@db.example.com/c?sslmode=disable", lowered),
        DatabaseTls::Disable
    );
}

#[test]
fn a_password_on_the_command_line_is_a_usage_error() {
    let load = |flags: Overrides| Settings::load(Role::Api, &flags, &Env::default());
    let url = |url: &str| Overrides {
        database_url: Some(url.into()),
        ..Overrides::default()
    };
    let error = load(url("postgres://u:canary@h/c")).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    assert!(
        text.contains("CERTMILL_DATABASE_URL_FILE") && text.contains("PGPASSFILE"),
        "{text}"
    );
    assert!(!text.contains("canary"), "{text}");
    let set = vec![("migrate_url".into(), "postgres://u:canary@h/c".into())];
    assert_eq!(
        load(Overrides {
            set,
            ..Overrides::default()
        })
        .unwrap_err()
        .exit_code(),
        2
    );
    assert!(load(url("postgres://u@localhost/c")).is_ok());
}

#[test]
fn secrets_come_from_files_and_stay_masked() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("url");
    fs::write(&file, "postgres://u:canary@localhost/c\n").unwrap();
    let path = file.to_str().unwrap();
    let env = Env::with_vars([("CERTMILL_DATABASE_URL_FILE", path)]);
    let settings = Settings::load(Role::Worker, &Overrides::default(), &env).unwrap();
    let url = settings.database.url.as_ref().unwrap();
    assert_eq!(url.expose_secret(), "postgres://u:canary@localhost/c");
    assert!(settings.database.migrate_url.is_some());
    assert_eq!(settings.database.url_file.as_deref(), Some(file.as_path()));
    assert!(!format!("{settings:?}").contains("canary"));
    let both = Env::with_vars([REMOTE, ("CERTMILL_DATABASE_URL_FILE", path)]);
    let text = Settings::load(Role::Api, &Overrides::default(), &both)
        .unwrap_err()
        .to_string();
    assert!(text.contains("given together with"), "{text}");
}

#[test]
fn all_problems_come_at_once() {
    let toml = "wake = 'maybe'\npoll_ms = 'soon'\nlisten = 'localhost'\ncolour = 1\n\
                migrate_at_boot = 3\n[tls]\ncert_file = '/c'\n[worker]\nconcurrency = 0\nname = 'a b'\n";
    let problems = problems(toml);
    assert_eq!(problems.len(), 8, "{problems:#?}");
    assert!(
        problems
            .iter()
            .all(|problem| problem.where_.contains("line")),
        "{problems:#?}"
    );
}

#[test]
fn a_role_alone_needs_a_database() {
    let error = Settings::load(Role::Worker, &Overrides::default(), &Env::default()).unwrap_err();
    assert!(
        error.to_string().contains("role worker needs it"),
        "{error}"
    );
}

#[test]
fn failpoints_exist_in_debug_builds_only() {
    let toml = "[failpoints]\nfinish_delay_ms_max = 3000\nfinish_delay_share = 0.33\n";
    let loaded = with_file(Role::Up, toml, Env::default());
    assert_eq!(loaded.is_ok(), cfg!(debug_assertions));
}

#[test]
fn the_reference_stays_short() {
    let rows = crate::key::reference();
    assert!(rows.len() < 45 && rows.iter().all(|row| !row.meaning.is_empty()));
}

#[test]
fn each_value_is_shown_with_its_origin() {
    let dir = tempfile::tempdir().unwrap();
    let (file, secret) = (dir.path().join("c.toml"), dir.path().join("url"));
    fs::write(
        &file,
        "# x\npoll_ms = 1_500\n[worker]\nqueues = ['a', 'b']\n",
    )
    .unwrap();
    fs::write(&secret, "postgres://u:canary@localhost/c\n").unwrap();
    let env = Env::with_vars([
        ("CERTMILL_CONFIG", file.to_str().unwrap()),
        ("CERTMILL_DATABASE_URL_FILE", secret.to_str().unwrap()),
        ("CERTMILL_WAKE", "poll"),
        ("HOME", "/h/u"),
    ]);
    let flags = Overrides {
        listen: Some("127.0.0.1:3".into()),
        ..Overrides::default()
    };
    let seen = Settings::inspect(Role::Worker, &flags, &env).unwrap();
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
    let row = |key: &str| {
        let found = seen.shown.iter().find(|row| row.key == key).unwrap();
        (found.value.clone(), found.origin.clone())
    };
    let place = |line| format!("{}:{line}", file.display());
    for (key, value, origin) in [
        ("listen", "127.0.0.1:3", "flag --listen".to_owned()),
        ("wake", "poll", "env CERTMILL_WAKE".to_owned()),
        ("poll_ms", "1500", place(2)),
        ("worker.queues", "a,b", place(4)),
        (
            "ca_kek_file",
            "/h/u/.local/share/certmill/ca.kek",
            "default".to_owned(),
        ),
        ("database.max_connections", "20", "default".to_owned()),
        ("database.tls", "disable", "default".to_owned()),
        ("process.rescue_ms", "10000", "default".to_owned()),
        (
            "database_url",
            "postgres://u:****@localhost/c",
            format!("env CERTMILL_DATABASE_URL_FILE, in {}", secret.display()),
        ),
        (
            "migrate_url",
            "postgres://u:****@localhost/c",
            "default".to_owned(),
        ),
    ] {
        assert_eq!(row(key), (value.to_owned(), origin), "{key}");
    }
    assert!(!format!("{seen:?}").contains("canary"));
}

#[test]
fn an_inspection_goes_on_where_something_is_wrong() {
    let env = Env::with_vars([("CERTMILL_POLL_MS", "soon"), ("CERTMILL_WAKE", "poll")]);
    let seen = Settings::inspect(Role::Up, &Overrides::default(), &env).unwrap();
    assert_eq!(seen.problems.len(), 1, "{:?}", seen.problems);
    assert_eq!(seen.draft.wake, Wake::Poll);
}

#[test]
fn an_empty_name_of_a_file_is_told_with_its_place() {
    for key in ["migrate_url_file", "ca_kek_file", "data_dir"] {
        let told = only(&format!("{key} = ''\n"));
        assert!(told.contains(key) && told.contains("line 1"), "{told}");
    }
}
