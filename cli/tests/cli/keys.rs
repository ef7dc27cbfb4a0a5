//! Keys of clients: where they may come from and go to.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use certmill_crypto::token::ApiKey;

use crate::bench::{Bench, write_key};

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
