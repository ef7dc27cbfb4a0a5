//! An operator's commands beside a running `certmill up` with its own database: nothing but its data
//! folder is named. And the modes of key files.
#![allow(
    clippy::disallowed_methods,
    reason = "the command line and OpenSSL are processes"
)]

use certmill_testkit::free_address;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::ONE_AT_A_TIME;
use crate::child::Child;
use crate::public::openssl_ok;

const PATIENCE: Duration = Duration::from_secs(90);

struct House {
    // Dropped first: the processes end before their folder goes.
    up: Option<Child>,
    dir: tempfile::TempDir,
    listen: String,
}

impl House {
    fn build() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The server's user must reach the data folder.
        set_mode(dir.path(), 0o755);
        let listen = free_address().to_string();
        Self {
            up: None,
            dir,
            listen,
        }
    }

    fn data(&self, file: &str) -> PathBuf {
        self.dir.path().join("data").join(file)
    }

    fn start(&mut self) -> &mut Child {
        let data = self.dir.path().join("data").display().to_string();
        let cache = certmill_testkit::cache_dir().display().to_string();
        let words = [
            "up",
            "--data-dir",
            &data,
            "--listen",
            &self.listen,
            "--log-format",
            "json",
        ];
        let mut args: Vec<String> = words.map(str::to_owned).to_vec();
        for set in [format!("cache_dir={cache}"), "kek_poll_ms=300".to_owned()] {
            args.extend(["--set".to_owned(), set]);
        }
        let log = self.dir.path().join("up.log");
        self.up.insert(Child::start("up", &args, &[], &log))
    }

    async fn stop(&mut self) {
        let mut up = self.up.take().unwrap();
        up.signal(rustix::process::Signal::TERM);
        let status = up.exit(PATIENCE).await;
        assert_eq!(status.code(), Some(0), "{}", up.tail());
    }

    /// A command beside it: exit code, and both outputs.
    fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let end = Command::new(env!("CARGO_BIN_EXE_certmill"))
            .env_clear()
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .env("CERTMILL_URL", format!("https://{}", self.listen))
            .env("CERTMILL_CA_FILE", self.data("ca.pem"))
            .env("CERTMILL_API_KEY_FILE", self.data("admin.key"))
            .env("CERTMILL_DATA_DIR", self.data(""))
            .env("HOME", self.dir.path())
            .args(args)
            .output()
            .unwrap();
        let text = [end.stdout, end.stderr].concat();
        (
            end.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    fn good(&self, args: &[&str]) -> String {
        let (code, said) = self.run(args);
        assert_eq!(code, Some(0), "{args:?}: {said}");
        said
    }

    fn rows(&self, args: &[&str]) -> Vec<Value> {
        let said = self.good(&[args, &["-o", "json"]].concat());
        let page: Value = serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}: {said}"));
        page["data"].as_array().unwrap().clone()
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn authorities_and_keys_are_changed_beside_a_running_up() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut house = House::build();
    house.start().logged("ready", PATIENCE).await;
    for file in ["ca.kek", "app.kek", "admin.key"] {
        assert_eq!(mode(&house.data(file)), 0o600, "{file}");
    }

    rotated(&house);
    rolled_and_imported(&house);
    house.good(&["certs", "add", "shop.example.com", "--wait"]);
    assert_eq!(mode(&house.dir.path().join("shop.example.com.key")), 0o600);
    house.stop().await;
    too_open(&mut house).await;
}

/// The key of authorities is rotated and the old one forgotten; a file that others can read is not used.
fn rotated(house: &House) {
    let before = house.rows(&["kek", "list"]);
    let old = before.iter().find(|one| one["purpose"] == "ca").unwrap()["id"].clone();
    let old = old.as_str().unwrap();
    house.good(&["kek", "new", "ca"]);
    let next = house.data("ca.kek.next");
    assert_eq!(mode(&next), 0o600);
    set_mode(&next, 0o640);
    let (code, said) = house.run(&["kek", "rotate", "ca"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("mode 0640 lets others read the key; run: chmod 600"),
        "{said}"
    );
    set_mode(&next, 0o600);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (code, said) = house.run(&["kek", "rotate", "ca"]);
        if code == Some(0) {
            break;
        }
        assert!(said.contains("kek_not_everywhere"), "{said}");
        assert!(Instant::now() < deadline, "{said}");
    }
    house.good(&["kek", "retire", old, "--yes"]);
    fs::rename(&next, house.data("ca.kek")).unwrap();
    let after = house.rows(&["kek", "list"]);
    assert!(after.iter().all(|one| one["id"] != old), "{after:?}");
}

/// A new key below our root, and a sub-CA of somebody else's for an issuer of its own.
fn rolled_and_imported(house: &House) {
    let folder = house.dir.path();
    house.good(&["ca", "roll"]);
    for (name, signer) in [
        ("root", "-signkey root.key"),
        ("sub", "-CA root.pem -CAkey root.key -CAcreateserial"),
    ] {
        openssl_ok(
            folder,
            &format!("ecparam -name prime256v1 -genkey -noout -out {name}.key"),
        );
        openssl_ok(
            folder,
            &format!("req -new -key {name}.key -subj /CN={name} -out {name}.csr -config /dev/null"),
        );
        let extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n\
                          subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";
        fs::write(folder.join("ext"), extensions).unwrap();
        openssl_ok(
            folder,
            &format!("x509 -req -in {name}.csr {signer} -days 900 -extfile ext -out {name}.pem"),
        );
    }
    let import = [
        "ca",
        "import",
        "elsewhere",
        "--chain-file",
        "sub.pem",
        "--root-file",
        "root.pem",
        "--key-file",
        "sub.key",
        "--new-issuer",
        "elsewhere",
    ];
    set_mode(&folder.join("sub.key"), 0o644);
    let (code, said) = house.run(&import);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("mode is 0644, must be 0600 or stricter"),
        "{said}"
    );
    set_mode(&folder.join("sub.key"), 0o600);
    house.good(&import);
    let listed = house.rows(&["ca", "list"]);
    let mut names: Vec<&str> = listed
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["elsewhere", "issuing", "issuing-2", "root"]);
    assert!(
        listed.iter().all(|one| one["revocation"] == "crl,ocsp"),
        "{listed:?}"
    );
    let (code, said) = house.run(&["ca", "retire", "root", "--yes"]);
    assert_eq!(code, Some(5), "{said}");
}

/// A start with a key file that others can read is refused, and says what to do.
async fn too_open(house: &mut House) {
    set_mode(&house.data("app.kek"), 0o644);
    let up = house.start();
    let status = up.exit(PATIENCE).await;
    let said = up.tail();
    assert_eq!(status.code(), Some(3), "{said}");
    assert!(
        said.contains("mode 0644 lets others read the key; run: chmod 600"),
        "{said}"
    );
}
