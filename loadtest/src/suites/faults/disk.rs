//! A small disk in memory, so that one can be full without harm to others.
//!
//! Invariant: it goes with this value; mounting needs the right to (CAP_SYS_ADMIN).

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// The bit of CAP_SYS_ADMIN in a set of capabilities (capability.h).
const SYS_ADMIN: u64 = 1 << 21;

/// A mounted disk.
pub struct Disk {
    root: PathBuf,
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still has a file of it open keeps that file.
        unmount(&self.root, UnmountFlags::DETACH).ok();
    }
}

impl Disk {
    /// Makes the folder and mounts a disk of so many megabytes there.
    ///
    /// # Errors
    /// The right to is missing.
    pub fn mount(root: &Path, mb: u32) -> Result<Self> {
        fs::create_dir(root)?;
        let size = CString::new(format!("size={mb}m,mode=755"))?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("tmpfs", root, "tmpfs", flags, size.as_c_str())
            .with_context(|| format!("no disk can be mounted at {}", root.display()))?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Whether this process may mount.
pub fn may_mount() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    set.is_some_and(|set| set & SYS_ADMIN != 0)
}
