//! Runs an embedded server in a process of its own: this test binary once more, as any user.
//!
//! The child prints one line, `ready PID` or `refused WORDS`, and then waits for its end.
#![allow(
    clippy::disallowed_methods,
    reason = "tests start processes and hand them variables"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use certmill_pg::embedded::{Embedded, EmbeddedOptions};

const DATA: &str = "CERTMILL_TEST_CHILD_DATA";
const CACHE: &str = "CERTMILL_TEST_CHILD_CACHE";
const BUNDLE: &str = "CERTMILL_TEST_CHILD_BUNDLE";

/// What to start.
pub struct Ask<'a> {
    pub data: &'a Path,
    pub cache: &'a Path,
    pub bundle_only: bool,
    pub as_nobody: bool,
    /// Sends every fetch to a port where nobody listens.
    pub offline: bool,
}

/// Starts the child and returns it with its one line.
pub fn start(ask: &Ask<'_>) -> (Child, String) {
    let binary = ask.data.parent().unwrap().join("test-binary");
    if !binary.exists() {
        fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(if ask.as_nobody {
        Path::new("setpriv")
    } else {
        &binary
    });
    if ask.as_nobody {
        command
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .arg(&binary);
    }
    command
        .args([
            "child::serve_until_killed",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(DATA, ask.data)
        .env(CACHE, ask.cache)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if ask.bundle_only {
        command.env(BUNDLE, "1");
    }
    if ask.offline {
        command
            .env("HTTPS_PROXY", "http://127.0.0.1:1")
            .env("https_proxy", "http://127.0.0.1:1");
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines
        .map_while(Result::ok)
        .find(|line| line.starts_with("ready ") || line.starts_with("refused "))
        .unwrap_or_else(|| "refused without a word".to_owned());
    (child, line)
}

/// The server's process id out of the child's line.
pub fn server_pid(line: &str) -> u32 {
    line.strip_prefix("ready ")
        .unwrap_or_else(|| panic!("{line}"))
        .trim()
        .parse()
        .unwrap()
}

/// Waits until a process is gone, zombies of others aside.
pub fn wait_gone(pid: u32) {
    let begun = Instant::now();
    loop {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "process {pid} stays: {stat}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Kills the child the hard way and waits until its server is gone.
pub fn kill(mut child: Child, line: &str) {
    child.kill().unwrap();
    child.wait().unwrap();
    if line.starts_with("ready ") {
        wait_gone(server_pid(line));
    }
}

#[test]
#[ignore = "the child's side; other tests run it"]
fn serve_until_killed() {
    let Some(data) = std::env::var_os(DATA) else {
        return;
    };
    let cache = std::env::var_os(CACHE).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let started = runtime.block_on(async {
        let mut options = EmbeddedOptions::new(data, cache);
        options.use_installed = std::env::var_os(BUNDLE).is_none();
        Embedded::start(options, &|line| eprintln!("{line}")).await
    });
    match &started {
        Ok(server) => println!("\nready {}", server.pid().unwrap()),
        Err(error) => println!("\nrefused {error}"),
    }
    // Ends with the test that started us, whatever happens to it.
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).ok();
}
