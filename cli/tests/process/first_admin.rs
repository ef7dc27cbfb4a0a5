//! The first admin by token and the life of a key, through the command line and real processes.
#![allow(clippy::disallowed_methods, reason = "the command line is a process")]

use certmill_testkit::free_address;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::ONE_AT_A_TIME;
use crate::child::Child;
use crate::house::House;

const TOKEN: &str = "3f9a0c5e7b1d2486f0e1d2c3b4a59687";
const PATIENCE: Duration = Duration::from_secs(40);

struct Household {
    // Dropped first: processes end before their folder goes.
    running: Vec<Child>,
    house: House,
    listen: String,
}

impl Household {
    async fn move_in() -> Self {
        let house = House::build(Some(TOKEN)).await;
        let listen = free_address().to_string();
        let mut household = Self {
            running: Vec::new(),
            house,
            listen,
        };
        let worker = household.start(&["worker"]);
        household.running.push(worker);
        household
    }

    fn path(&self, file: &str) -> String {
        self.house.path(file)
    }

    fn start(&self, args: &[&str]) -> Child {
        let args: Vec<String> = args.iter().map(|text| (*text).to_owned()).collect();
        let log = self.path(&format!("{}.log", args[0]));
        Child::start(&args[0], &args, &self.house.env(), Path::new(&log))
    }

    async fn start_api(&mut self) {
        let mut api = self.start(&["api", "--listen", &self.listen]);
        api.logged("ready", PATIENCE).await;
        self.running.push(api);
    }

    /// One command of a client that has the trust anchor and this key, if any.
    fn run(&self, key: Option<&str>, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certmill"));
        command
            .env_clear()
            .current_dir(self.house.dir.path())
            .stdin(Stdio::null());
        command
            .env("CERTMILL_URL", format!("https://{}", self.listen))
            .env("CERTMILL_CA_FILE", self.path("data/ca.pem"))
            .env("HOME", self.path("home"));
        if let Some(key) = key {
            command.env("CERTMILL_API_KEY_FILE", self.path(key));
        }
        command.args(args).output().unwrap()
    }

    fn good(&self, key: Option<&str>, args: &[&str]) -> String {
        let end = self.run(key, args);
        let words = String::from_utf8_lossy(&end.stderr).into_owned();
        assert!(end.status.success(), "{args:?}: {words}");
        String::from_utf8(end.stdout).unwrap()
    }

    fn code(&self, key: Option<&str>, args: &[&str]) -> Option<i32> {
        self.run(key, args).status.code()
    }
}

#[tokio::test]
async fn a_token_makes_one_admin_and_keys_live_and_end() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut house = Household::move_in().await;
    assert!(!Path::new(&house.path("data/admin.key")).exists());
    house.start_api().await;
    let bootstrap = ["keys", "bootstrap", "--token-file", "token", "--out"];
    house.good(None, &[&bootstrap[..], &["me.key"]].concat());
    let second = [&bootstrap[..], &["other.key"]].concat();
    assert_eq!(house.code(None, &second), Some(5));
    assert!(!Path::new(&house.path("other.key")).exists());

    let me = Some("me.key");
    let add = ["keys", "add", "ci", "--role", "viewer", "--out", "ci.key"];
    let shown = house.good(me, &add);
    let secret = fs::read_to_string(house.path("ci.key")).unwrap();
    assert!(shown.contains("ci.key") && !shown.contains(secret.trim()));
    house.good(Some("ci.key"), &["jobs", "list"]);
    assert_eq!(house.code(Some("ci.key"), &["keys", "list"]), Some(4));
    house.good(
        me,
        &[
            "keys",
            "rotate",
            "ci",
            "--overlap",
            "1h",
            "--out",
            "ci2.key",
        ],
    );
    let twice = house.good(me, &["keys", "list", "--name", "ci", "-o", "json"]);
    assert_eq!(twice.matches("\"valid\"").count(), 2, "{twice}");
    // Two of that name: it takes an id.
    assert_eq!(house.code(me, &["keys", "revoke", "ci", "--yes"]), Some(5));
    let page: serde_json::Value = serde_json::from_str(&twice).unwrap();
    let old = page["data"][0]["id"].as_str().unwrap();
    house.good(me, &["keys", "revoke", old, "--yes"]);
    let ended = Instant::now();
    while house.code(Some("ci.key"), &["jobs", "list"]) != Some(4) {
        assert!(ended.elapsed() < Duration::from_secs(5));
    }
    house.good(Some("ci2.key"), &["jobs", "list"]);
    let printed = house.good(me, &["keys", "add", "x", "--role", "viewer", "--out", "-"]);
    assert!(printed.starts_with("cm_") && printed.lines().count() == 1);

    // After a restart with the same token, and without its file.
    house.running.pop();
    house.start_api().await;
    assert_eq!(house.code(None, &second), Some(5));
    house.running.pop();
    fs::remove_file(house.path("token")).unwrap();
    house.start_api().await;
    house.good(me, &["keys", "show", "first-admin"]);
    let log = fs::read_to_string(house.path("api.log")).unwrap();
    assert!(!log.contains(secret.trim()) && !log.contains(TOKEN));
}
