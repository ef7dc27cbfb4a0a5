//! Is there room left where the data folder lies?

use std::path::Path;

use rustix::fs::statvfs;

use crate::{Check, Finding, Patient};

const ID: &str = "disk_space";
const MIB: u64 = 1 << 20;
const FAIL_BELOW_MIB: u64 = 200;
const WARN_BELOW_MIB: u64 = 1024;

pub const CHECK: Check = Check {
    id: ID,
    look: |patient| Box::pin(look(patient)),
};

async fn look(patient: &Patient) -> Vec<Finding> {
    let folder = &patient.settings.data_dir;
    // A folder that a first start will make lies where its nearest parent does.
    let there = folder.ancestors().find(|path| path.exists());
    match there.map(statvfs) {
        Some(Ok(room)) => {
            let free_mib = room.f_bavail.saturating_mul(room.f_frsize) / MIB;
            vec![judge(folder, free_mib)]
        }
        _ => Vec::new(),
    }
}

fn judge(folder: &Path, free_mib: u64) -> Finding {
    let what = format!("{free_mib} MiB are free for {}", folder.display());
    let why = "a full disk stops the embedded database and the renewal of our own certificate";
    let fix = "make room, or move the folder by data_dir";
    match free_mib {
        free if free < FAIL_BELOW_MIB => Finding::fail(ID, what, why, fix),
        free if free < WARN_BELOW_MIB => Finding::warn(ID, what, why, fix),
        _ => Finding::ok(ID, what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn little_room_is_told_before_none_is_left() {
        let level = |free| judge(Path::new("/d"), free).level;
        assert_eq!(
            (level(5000), level(500), level(50)),
            (Level::Ok, Level::Warn, Level::Fail)
        );
    }
}
