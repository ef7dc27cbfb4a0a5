//! A cluster whose api also listens in plain, and the tools of those who look: certmill's own command
//! line, OpenSSL, and an HTTP client of a few lines.
//!
//! Invariant: files of a certificate are `NAME.pem` (the leaf), `NAME.issuer.pem` and `NAME.key` in one
//! folder.
#![allow(
    clippy::disallowed_methods,
    reason = "the command line and OpenSSL are processes"
)]

use certmill_testkit::free_address;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use certmill_wire::RevokeRequest;
use certmill_wire::client::Client;

use crate::cluster::Cluster;

const PATIENCE: Duration = Duration::from_secs(40);

/// Runs openssl in a folder; whether it was content, and both its outputs.
pub fn openssl(folder: &Path, args: &str) -> (bool, String) {
    let output = Command::new("openssl")
        .args(args.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.success(), text)
}

/// Runs openssl, which must be content.
pub fn openssl_ok(folder: &Path, args: &str) -> String {
    let (ok, text) = openssl(folder, args);
    assert!(ok, "openssl {args}: {text}");
    text
}

/// The cluster, its plain address and the folder of files.
pub struct Public {
    pub cluster: Cluster,
    pub folder: PathBuf,
    client: Client,
    plain: String,
}

impl Public {
    /// Starts it; `more` are further settings.
    pub async fn open(more: &[(&str, &str)]) -> Self {
        let plain = free_address().to_string();
        let url = format!("http://{plain}");
        let own = [
            ("plain_listen", plain.as_str()),
            ("plain_url", url.as_str()),
        ];
        let cluster = Cluster::start(&[&own[..], more].concat()).await;
        let client = cluster.client().await;
        let folder = cluster.folder().join("files");
        fs::create_dir(&folder).unwrap();
        Self {
            cluster,
            folder,
            client,
            plain,
        }
    }

    /// The file of the trust anchors, as the api keeps it.
    pub fn roots(&self) -> String {
        let path = self.cluster.folder().join("api-1/ca.pem");
        path.display().to_string()
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap()
    }

    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).unwrap();
    }

    pub fn run(&self, args: &str) -> String {
        openssl_ok(&self.folder, args)
    }

    /// A command of the client: exit code, and both outputs.
    pub fn certmill(&self, args: &[&str]) -> (Option<i32>, String) {
        let end = self.command(args);
        let text = [end.stdout, end.stderr].concat();
        (
            end.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    /// A command that must succeed; what it wrote to stdout.
    pub fn good(&self, args: &[&str]) -> String {
        let end = self.command(args);
        let words = String::from_utf8_lossy(&end.stderr).into_owned();
        assert!(end.status.success(), "{args:?}: {words}");
        String::from_utf8(end.stdout).unwrap()
    }

    fn command(&self, args: &[&str]) -> std::process::Output {
        let keys = self.cluster.folder().join("keys");
        Command::new(env!("CARGO_BIN_EXE_certmill"))
            .env_clear()
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .env("CERTMILL_URL", format!("https://{}", self.cluster.listen()))
            .env("CERTMILL_CA_FILE", self.roots())
            .env("CERTMILL_API_KEY_FILE", keys.join("admin.key"))
            .env("HOME", &self.folder)
            .args(args)
            .output()
            .unwrap()
    }

    /// Has NAME.example.com issued and puts its files down.
    pub fn add(&self, name: &str) {
        let host = format!("{name}.example.com");
        self.good(&[
            "certs",
            "add",
            &host,
            "--key",
            &format!("{name}.key"),
            "--wait",
        ]);
        self.good(&["certs", "download", &host]);
        let chain = self.read(&format!("{host}.pem"));
        let end = "-----END CERTIFICATE-----\n";
        let mut blocks = chain.split_inclusive(end);
        self.write(&format!("{name}.pem"), blocks.next().unwrap());
        self.write(&format!("{name}.issuer.pem"), blocks.next().unwrap());
    }

    /// Writes a PKCS#10 request for a host.
    pub fn request_file(&self, key: &str, csr: &str, host: &str) {
        self.run(&format!(
            "req -new -key {key} -subj / -addext subjectAltName=DNS:{host} -out {csr} -config /dev/null"
        ));
    }

    pub fn serial(&self, name: &str) -> String {
        let said = self.run(&format!("x509 -in {name}.pem -noout -serial"));
        said.trim().trim_start_matches("serial=").to_owned()
    }

    /// `POST /api/v1/certificates/{id}/revoke`: status and body where it is refused.
    pub async fn post_revoke(&self, host: &str, reason: &str) -> (u16, String) {
        let said = self.good(&["certs", "show", host, "-o", "json"]);
        let shown: serde_json::Value = serde_json::from_str(&said).unwrap();
        let id = shown["id"].as_str().unwrap();
        let request = RevokeRequest {
            reason: reason.to_owned(),
            ..RevokeRequest::default()
        };
        match self.client.revoke_certificate(id, &request).await {
            Ok(answer) => (200, format!("{answer:?}")),
            Err(error) => {
                let problem = error.problem().unwrap_or_else(|| panic!("{error}"));
                (problem.status, serde_json::to_string(problem).unwrap())
            }
        }
    }

    /// GET of the plain listener: the head in lower case, and the body.
    pub fn fetch(&self, path: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.plain).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        (head, answer[end + 4..].to_vec())
    }

    /// Waits until the list that the certificate names shows its serial number; the list's file, whose
    /// signature is the issuer's.
    pub async fn until_listed(&self, name: &str) -> String {
        let text = self.run(&format!(
            "x509 -in {name}.pem -noout -ext crlDistributionPoints"
        ));
        let base = format!("URI:http://{}", self.plain);
        let path = text
            .split(&base)
            .nth(1)
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap();
        let (serial, deadline) = (self.serial(name), Instant::now() + PATIENCE);
        loop {
            let (head, der) = self.fetch(path);
            if head.starts_with("http/1.1 200") {
                fs::write(self.folder.join("fetched.crl"), der).unwrap();
                let list = format!("{name}.list.pem");
                let said = self.run(&format!(
                    "crl -in fetched.crl -inform DER -CAfile {name}.issuer.pem -text -out {list}"
                ));
                assert!(said.contains("verify OK"), "{said}");
                if self
                    .read(&list)
                    .contains(&format!("Serial Number: {serial}"))
                {
                    return list;
                }
            }
            assert!(Instant::now() < deadline, "{name} is not listed: {head}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// OpenSSL's client asks by POST with `issuer`'s authority about `name`, or about `what` instead.
    /// It asks again while the authority's responder is not there yet.
    pub async fn asked(&self, issuer: &str, name: &str, what: &[&str]) -> String {
        let about = match what {
            [] => format!("-cert {name}.pem"),
            other => other.join(" "),
        };
        let args = format!(
            "ocsp -issuer {issuer}.issuer.pem {about} -url http://{}/ocsp -CAfile {} -verify_other \
             {issuer}.issuer.pem",
            self.plain,
            self.roots()
        );
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (_, said) = openssl(&self.folder, &args);
            if !said.contains("trylater") && !said.contains("unauthorized") {
                return said;
            }
            assert!(Instant::now() < deadline, "{said}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The same question by GET (RFC 6960, appendix A.1), read by OpenSSL.
    pub async fn got(&self, name: &str) -> String {
        let about = format!("-issuer {name}.issuer.pem -cert {name}.pem");
        self.run(&format!("ocsp {about} -no_nonce -reqout request.der"));
        let der = fs::read(self.folder.join("request.der")).unwrap();
        let encoded = data_encoding::BASE64.encode(&der);
        let encoded = encoded
            .replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D");
        let (head, body) = self.fetch(&format!("/ocsp/{encoded}"));
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(
            head.contains("content-type: application/ocsp-response"),
            "{head}"
        );
        fs::write(self.folder.join("response.der"), body).unwrap();
        self.run(&format!(
            "ocsp {about} -respin response.der -CAfile {} -verify_other {name}.issuer.pem",
            self.roots()
        ))
    }
}
