//! Command lines and what they become.
#![allow(clippy::unwrap_used)]

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("certmill").chain(line.split_whitespace()))
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn global_flags_stand_before_and_after_the_verb() {
    for line in [
        "--data-dir /d -o json --url https://h certs list --limit 7",
        "certs --data-dir /d list -o json --limit 7 --url https://h",
        "certs list --limit 7 --server https://h --data-dir /d --output json",
    ] {
        let cli = parse(line).unwrap();
        assert_eq!(
            cli.global.data_dir.as_deref().unwrap().to_str(),
            Some("/d"),
            "{line}"
        );
        assert_eq!(cli.global.format(), Format::Json, "{line}");
        assert_eq!(cli.global.url.as_deref(), Some("https://h"), "{line}");
        let Command::Certs(CertsVerb::List(args)) = cli.command else {
            panic!("{line}")
        };
        assert_eq!(args.page.limit, Some(7));
    }
}

#[test]
fn limits_have_bounds() {
    for bad in ["-1", "0", "501", "x", "99999999999"] {
        let error = parse(&format!("certs list --limit {bad}")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error.to_string().contains("--limit must be 1..500"),
            "{error}"
        );
    }
}

#[test]
fn a_missing_name_shows_the_usage() {
    let error = parse("certs renew").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument);
    assert!(
        error.to_string().contains("Usage: certmill certs renew"),
        "{error}"
    );
}

#[test]
fn certificates_are_asked_for() {
    let line =
        "certs add Shop.Example.com --san *.shop.example.com --profile web --wait --timeout 5s";
    let Command::Certs(CertsVerb::Add(args)) = parse(line).unwrap().command else {
        panic!()
    };
    assert_eq!(args.name.to_string(), "shop.example.com");
    assert_eq!((args.sans.len(), args.wait.wait), (1, true));
    assert_eq!(args.wait.timeout.as_secs(), 5);
    assert!(parse("certs add a.example --csr f --key k").is_err());
    assert!(
        parse("certs add *.com")
            .unwrap_err()
            .to_string()
            .contains("wildcard")
    );
    assert!(parse("certs list --status issed").is_err());
}

#[test]
fn profiles_renew_by_one_rule() {
    let line = "profiles add short --lifetime 60s --renew-fraction 0.5 --key-algorithm ed25519";
    let Command::Profiles(ProfilesVerb::Add(args)) = parse(line).unwrap().command else {
        panic!()
    };
    assert_eq!(
        (args.lifetime.as_secs(), args.renew_fraction),
        (60, Some(0.5))
    );
    assert!(parse("profiles add x --lifetime 60s --renew-fraction 0.5 --renew-before 5s").is_err());
    assert!(parse("profiles add x --lifetime 1month").is_err());
    assert!(parse("profiles add x --lifetime 60s --key-algorithm md5").is_err());
}

#[test]
fn roles_become_the_strongest_layer_of_settings() {
    let line =
        "--data-dir /d worker --name w1 --queues a,b --concurrency 3 --set poll_ms=50 --config /c";
    let cli = parse(line).unwrap();
    let Command::Role(role) = cli.command else {
        panic!()
    };
    assert_eq!(role.migrating(), Migrating::Schema);
    let (role, flags) = role.overrides(&cli.global);
    assert_eq!(role.as_str(), "worker");
    assert_eq!(flags.queues, ["a", "b"]);
    assert_eq!(
        (flags.name.as_deref(), flags.concurrency),
        (Some("w1"), Some(3))
    );
    assert_eq!(flags.set, [("poll_ms".to_owned(), "50".to_owned())]);
    assert!(flags.data_dir.is_some() && flags.config.is_some());
    let Command::Role(migrate) = parse("migrate --init").unwrap().command else {
        panic!()
    };
    assert_eq!(migrate.migrating(), Migrating::WithKeyFiles);
}

#[test]
fn each_command_has_its_own_forms() {
    for (line, forms) in [
        ("certs list", "table json yaml jsonl csv name"),
        ("jobs cancel j", "table json yaml jsonl csv name"),
        ("keys show k", "table json yaml jsonl csv name"),
        ("keys add k --role viewer --out -", "table json yaml jsonl"),
        ("kek list", "table json yaml jsonl csv name"),
        ("kek new ca", "table json yaml jsonl"),
        ("status", "table json yaml jsonl"),
        ("config check", "table json yaml jsonl"),
        ("config show", "table json yaml toml"),
        ("config docs", "table"),
    ] {
        let offered = parse(line).unwrap().command.formats();
        let words: Vec<_> = offered.iter().map(|form| form.as_str()).collect();
        assert_eq!(words.join(" "), forms, "{line}");
        for word in words {
            assert_eq!(form_refusal(word, offered), None);
        }
        let refused = form_refusal("xml", offered).unwrap();
        assert!(refused.contains("`xml` is no form"), "{refused}");
    }
}

#[test]
fn client_flags_are_known_to_mean_nothing_to_a_role() {
    let cli = parse("up --url https://h").unwrap();
    assert_eq!(cli.global.client_only_flag(), Some("--url"));
    assert_eq!(
        parse("up --listen 127.0.0.1:1")
            .unwrap()
            .global
            .client_only_flag(),
        None
    );
}
