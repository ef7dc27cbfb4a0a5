//! Speaks to the API through the `openssl` program, where a client library is too well-behaved.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

/// What `openssl s_client` printed, and whether its handshake succeeded.
pub async fn handshake(to: SocketAddr, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &to.to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let output = tokio::time::timeout(Duration::from_secs(20), output)
        .await
        .unwrap()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// Sends these bytes over TLS and reads what comes back until the connection ends.
pub async fn raw(to: SocketAddr, request: &str) -> String {
    let mut child = Command::new("openssl")
        .args([
            "s_client",
            "-quiet",
            "-alpn",
            "http/1.1",
            "-connect",
            &to.to_string(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    stdin.write_all(request.as_bytes()).await.unwrap();
    stdin.flush().await.unwrap();
    let mut answer = Vec::new();
    let read = stdout.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(15), read).await;
    drop(stdin);
    String::from_utf8_lossy(&answer).into_owned()
}
