//! Others' opinion of what we sign: OpenSSL, and pkilint for the profiles of RFC 5280 and RFC 6960.

use std::path::Path;
use std::process::Command;

/// Runs openssl; both its outputs. Fails the test where it fails.
pub fn openssl(args: &[&str]) -> String {
    let (ok, text) = openssl_says(args);
    assert!(ok, "openssl {args:?}: {text}");
    text
}

/// Runs openssl; whether it was content, and both its outputs.
pub fn openssl_says(args: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// Runs a linter of pkilint over files; fails the test at findings of the severity `error` and
/// above. `kind` is the subcommand's options, before the file.
pub fn pkilint(tool: &str, options: &[&str], file: &Path) {
    let Some(path) = certmill_testkit::tool(tool) else {
        return;
    };
    let output = Command::new(path)
        .arg("lint")
        .args(["-s", "ERROR"])
        .args(options)
        .arg(file)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && text.trim().is_empty(),
        "{tool} {}: {text}{}",
        file.display(),
        String::from_utf8_lossy(&output.stderr)
    );
}
