//! Which server, key and trust anchor are found.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use certmill_settings::Env;

use super::*;

fn env(vars: &[(&'static str, &'static str)]) -> ClientEnv {
    ClientEnv::read(&Env::with_vars(vars.iter().copied())).unwrap()
}

fn url_of(global: &Global, vars: &[(&'static str, &'static str)]) -> Found {
    find(global, &env(vars), Path::new("/default"))
}

const NAMED: &[(&str, &str)] = &[
    ("CERTMILL_URL", "https://env"),
    ("CERTMILL_API_KEY_FILE", "/env/key"),
    ("CERTMILL_CA_FILE", "/env/ca"),
];

#[test]
fn with_nothing_set_the_default_folder_is_used() {
    let found = url_of(&Global::default(), &[]);
    assert_eq!(found.url, DEFAULT_URL);
    assert!(matches!(found.key, Key::Folder(dir) if dir == Path::new("/default")));
    assert!(matches!(found.ca, Anchor::Folder(dir) if dir == Path::new("/default")));
}

#[test]
fn the_environment_wins_over_folders() {
    let found = url_of(&Global::default(), NAMED);
    assert_eq!(found.url, "https://env");
    assert!(matches!(found.key, Key::File(file) if file == Path::new("/env/key")));
    assert!(matches!(found.ca, Anchor::File(file) if file == Path::new("/env/ca")));
    let folder = url_of(&Global::default(), &[("CERTMILL_DATA_DIR", "/d")]);
    assert!(matches!(folder.key, Key::Folder(dir) if dir == Path::new("/d")));
}

#[test]
fn flags_win_over_the_environment() {
    let global = Global {
        url: Some("https://flag".into()),
        api_key_file: Some("/flag/key".into()),
        ..Global::default()
    };
    let found = url_of(&global, NAMED);
    assert_eq!(found.url, "https://flag");
    assert!(matches!(found.key, Key::File(file) if file == Path::new("/flag/key")));
    assert!(matches!(found.ca, Anchor::File(file) if file == Path::new("/env/ca")));
    let folder = Global {
        data_dir: Some("/flag".into()),
        ..Global::default()
    };
    let found = url_of(&folder, NAMED);
    assert_eq!(found.url, DEFAULT_URL);
    assert!(matches!(found.key, Key::Folder(dir) if dir == Path::new("/flag")));
}

#[test]
fn the_default_folders_key_goes_to_no_other_server() {
    let flag = Global {
        url: Some("https://flag".into()),
        ..Global::default()
    };
    assert!(matches!(url_of(&flag, &[]).key, Key::Missing));
    assert!(matches!(url_of(&flag, &[]).ca, Anchor::System));
    let by_env = url_of(&Global::default(), &[("CERTMILL_URL", "https://env")]);
    assert!(matches!(by_env.key, Key::Missing));
}

#[test]
fn the_folder_tells_the_address() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("url"), "https://127.0.0.1:9443\n").unwrap();
    assert_eq!(of_folder(dir.path()).url, "https://127.0.0.1:9443");
    fs::write(dir.path().join("url"), "\n").unwrap();
    assert_eq!(of_folder(dir.path()).url, DEFAULT_URL);
}

#[test]
fn every_fault_comes_at_once_and_shows_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("admin.key");
    fs::write(&key, "canary\n").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let global = Global {
        url: Some("http://u:canary@h".into()),
        data_dir: Some(dir.path().into()),
        ca_file: Some("/nowhere/ca.pem".into()),
        ..Global::default()
    };
    let failure = connect(&global, &env(&[]), Path::new("/default")).unwrap_err();
    let text = failure.to_string();
    assert_eq!((failure.code(), text.lines().count()), (3, 3), "{text}");
    assert!(
        text.contains("plain HTTP is refused; use https://"),
        "{text}"
    );
    assert!(
        text.contains("mode is 0644, must be 0600 or stricter"),
        "{text}"
    );
    assert!(
        text.contains("/nowhere/ca.pem") && !text.contains("canary"),
        "{text}"
    );
}

#[test]
fn a_folder_without_a_server_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let failure = connect(&Global::default(), &env(&[]), dir.path()).unwrap_err();
    assert_eq!(failure.code(), 3);
    assert!(
        failure.to_string().contains("run `certmill up`"),
        "{failure}"
    );
}
