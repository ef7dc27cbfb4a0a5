//! Where a client finds its server, and what it says when nobody is there.

use crate::bench::{Bench, write_key};

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
