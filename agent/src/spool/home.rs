//! What tells a state directory from a copy of it.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
};

/// The machine, and the node of the lock file, which a copied or restored folder
/// has another of. A clone of the whole disk keeps both and is not told apart:
/// where it keeps the service's name as well, the state directory must be emptied
/// before it is cloned.
pub(super) fn home(lock: &File) -> u64 {
    let mut hasher = DefaultHasher::new();
    fs::read_to_string("/etc/machine-id").unwrap_or_default().trim().hash(&mut hasher);
    #[cfg(unix)]
    if let Ok(metadata) = lock.metadata() {
        use std::os::unix::fs::MetadataExt;
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        if !makes_nodes_up(&mounts, metadata.dev()) {
            metadata.ino().hash(&mut hasher);
        }
    }
    #[cfg(not(unix))]
    let _: &File = lock;
    hasher.finish()
}

/// Whether the file system of a device is one that numbers its files anew at
/// each mount, as FAT does, which has no place for such numbers: there the node
/// would make a copy of every state at each boot. `mounts` is a `mountinfo` of
/// Linux.
#[cfg(unix)]
fn makes_nodes_up(mounts: &str, device: u64) -> bool {
    // As the C library takes a device's number apart.
    let major = (device >> 8 & 0xfff) | (device >> 32 & !0xfff);
    let minor = (device & 0xff) | (device >> 12 & !0xff);
    let device = format!("{major}:{minor}");
    mounts.lines().any(|line| {
        let Some((mount, kind)) = line.split_once(" - ") else { return false };
        let kind = kind.split(' ').next().unwrap_or_default();
        let kind = kind.split('.').next().unwrap_or_default();
        mount.split(' ').nth(2) == Some(&device)
            && ["vfat", "msdos", "exfat", "fuse", "fuseblk"].contains(&kind)
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
31 22 8:17 / /boot rw,relatime shared:2 - vfat /dev/sdb1 rw,fmask=0022
32 22 8:33 / /media/usb\\040stick rw - exfat /dev/sdc1 rw
33 22 0:61 / /mnt/remote rw shared:9 master:1 - fuse.sshfs host: rw
34 22 8:300 / /mnt/disk rw - fuseblk /dev/sdz1 rw
";

    #[test]
    fn file_systems_that_make_their_nodes_up_are_known() {
        let made_up = |major: u64, minor: u64| {
            let device = (major & 0xfff) << 8 | (minor & 0xff) | (minor & !0xff) << 12;
            makes_nodes_up(MOUNTS, device)
        };
        for (major, minor) in [(8, 17), (8, 33), (0, 61), (8, 300)] {
            assert!(made_up(major, minor), "{major}:{minor}");
        }
        assert!(!made_up(259, 2), "the root, on ext4");
        assert!(!made_up(8, 1), "mounted nowhere that is seen");
    }

    #[test]
    fn a_file_of_its_own_is_another_home() {
        let dir = tempfile::tempdir().unwrap();
        let lock = |name: &str| File::create(dir.path().join(name)).unwrap();
        let (one, other) = (lock("one"), lock("other"));
        assert_eq!(home(&one), home(&lock("one")));
        assert_ne!(home(&one), home(&other));
    }
}
