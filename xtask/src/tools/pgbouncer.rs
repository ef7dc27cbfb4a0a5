//! A PgBouncer that carries prepared statements in transaction mode, which the one of Debian 12 does
//! not: built from the source in the archive that this machine's packages come from.
//! Invariant: the source is what its hash says; nothing is installed outside the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::cache::{Cache, install_step};
use super::executable;

const VERSION: &str = "1.24.1";
/// Of the source archive.
const SHA256: &str = "da72a3aba13072876d055a3e58dd4aba4a5de4ed6148e73033185245598fd3e0";
/// Brings the headers and the archive that it links.
const EVENTS: &str = "libevent-dev";
/// Downloads with the settings of apt, checks the hash, and is part of apt.
const APT_HELPER: &str = "/usr/lib/apt/apt-helper";

pub(super) fn provide(offline: bool) -> Result<PathBuf> {
    let folder = Cache::of_user()?.entry(&format!("pgbouncer-{VERSION}"), |folder| {
        if offline {
            bail!("there is no network");
        }
        let build = folder.join("build");
        fs::create_dir(&build)?;
        let source = source(&build)?;
        let events = events(&build)?;
        let program = compile(&source, &events)?;
        fs::copy(program, folder.join("pgbouncer"))?;
        fs::remove_dir_all(&build).ok();
        Ok(())
    })?;
    executable(&folder, "pgbouncer")?;
    Ok(folder)
}

/// The unpacked source.
fn source(build: &Path) -> Result<PathBuf> {
    let archive = format!(
        "{}/pool/main/p/pgbouncer/pgbouncer_{VERSION}.orig.tar.gz",
        site()?
    );
    let file = build.join("source.tar.gz");
    let mut fetch = Command::new(APT_HELPER);
    fetch.args(["download-file", &archive]).arg(&file);
    fetch.arg(format!("SHA256:{SHA256}"));
    install_step(&mut fetch, "fetching the source of PgBouncer")?;
    let mut unpack = Command::new("tar");
    unpack.arg("--extract").arg("--file").arg(&file);
    unpack.arg("--directory").arg(build);
    install_step(&mut unpack, "tar")?;
    Ok(build.join(format!("pgbouncer-{VERSION}")))
}

/// The package's content, unpacked here: being installed, it would need rights that few have.
fn events(build: &Path) -> Result<PathBuf> {
    let mut fetch = Command::new("apt-get");
    fetch.args(["--quiet", "download", EVENTS]);
    install_step(
        fetch.current_dir(build),
        "apt-get download of the event library",
    )?;
    let mut entries = fs::read_dir(build)?.filter_map(Result::ok);
    let package = entries.find(|entry| entry.path().extension().is_some_and(|ext| ext == "deb"));
    let package = package.context("apt-get downloaded no package")?;
    let unpacked = build.join("events");
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("-x").arg(package.path()).arg(&unpacked);
    install_step(&mut unpack, "dpkg-deb")?;
    Ok(unpacked)
}

/// Without TLS, which loopback does not need, so that a C compiler and `make` are enough.
fn compile(source: &Path, events: &Path) -> Result<PathBuf> {
    let headers = events.join("usr/include");
    let library = in_some_folder(&events.join("usr/lib"), "libevent.a")?;
    let place = library.parent().and_then(Path::file_name);
    let of_machine = headers.join(place.context("a library without a folder")?);
    let flags = format!("-I{} -I{}", headers.display(), of_machine.display());
    let mut configure = Command::new("./configure");
    configure.args(["--quiet", "--disable-debug"]);
    configure.args(["openssl", "cares", "systemd", "pam"].map(|part| format!("--without-{part}")));
    configure.env("LIBEVENT_CFLAGS", flags);
    configure.env("LIBEVENT_LIBS", &library);
    install_step(configure.current_dir(source), "configuring PgBouncer")?;
    let mut make = Command::new("make");
    make.args(["--silent", "--jobs", "2", "pgbouncer"]);
    install_step(make.current_dir(source), "make")?;
    Ok(source.join("pgbouncer"))
}

/// The archive that this machine's packages come from, as its own settings name it.
fn site() -> Result<String> {
    let mut ask = Command::new("apt-get");
    ask.args(["indextargets", "--format", "$(SITE)", "Component: main"]);
    let answer = ask
        .output()
        .context("this machine has no apt-get to ask for an archive")?;
    let sites = String::from_utf8_lossy(&answer.stdout).into_owned();
    let mut sites = sites
        .lines()
        .filter(|site| !site.is_empty() && !site.contains("security"));
    let first = sites
        .next()
        .context("apt-get names no archive: run apt-get update")?;
    Ok(first.trim_end_matches('/').to_owned())
}

fn in_some_folder(parent: &Path, name: &str) -> Result<PathBuf> {
    let folders = fs::read_dir(parent)?.filter_map(Result::ok);
    let mut files = folders.map(|folder| folder.path().join(name));
    let found = files.find(|file| file.is_file());
    found.with_context(|| format!("the package {EVENTS} lacks {name}"))
}
