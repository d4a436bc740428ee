//! The clocks: one that counts suspend and never jumps for intervals, the
//! wall clock for time stamps only, and the identity of the host's boot.

use std::{path::Path, sync::OnceLock, time::SystemTime};

/// Begins a boot's identity that is made of the minute of the boot.
const UP: &str = "up-";
/// The wall clock is wrong when it is before this: 2024, Unix milliseconds.
const LONG_AGO_MS: i64 = 1_704_067_200_000;

/// Milliseconds on a clock that counts suspend and never jumps. On Linux its
/// zero is the boot, which is what a counter since boot is measured against.
pub(crate) fn boot_ms() -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    // On macOS and the BSDs the monotonic clock of POSIX counts suspend.
    #[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    #[cfg(unix)]
    {
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
        seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)
    }
    #[cfg(not(unix))]
    {
        sysinfo::System::uptime().unwrap_or(0).saturating_mul(1000)
    }
}

/// Milliseconds of the wall clock since 1970.
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.ok().and_then(|d| i64::try_from(d.as_millis()).ok()).unwrap_or(0)
}

/// The same, unless the clock has not been set yet: a small computer without a
/// battery starts in 1970.
pub(crate) fn wall_ms_if_set() -> Option<i64> {
    Some(wall_ms()).filter(|&now| now > LONG_AGO_MS)
}

/// Whether the host has a clock that runs while it is off, or while it is paused.
pub(crate) fn runs_while_off() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let clocks = || std::fs::read_dir("/sys/class/rtc");
        !cfg!(target_os = "linux") || clocks().is_ok_and(|mut clocks| clocks.next().is_some())
    })
}

/// The identity of the host's boot: what the kernel says, else the time at
/// which the host came up.
pub(crate) fn boot_id(proc: &Path) -> Box<str> {
    let id = std::fs::read_to_string(proc.join("sys/kernel/random/boot_id")).unwrap_or_default();
    let id: String = id.trim().chars().take(komandorr_wire::MAX_TEXT).collect();
    if !id.is_empty() && id.is_ascii() {
        return id.into();
    }
    // Whole minutes: the reported time of boot wanders with clock corrections.
    format!("{UP}{}", sysinfo::System::boot_time().unwrap_or(0) / 60).into()
}

/// Whether this is still the boot of a remembered reading; each is the boot's
/// identity and the milliseconds since it began, then and now.
///
/// A time of boot wanders: over weeks by minutes. After a reboot it is later
/// by all the time that the host had been up at that reading, and more, so a
/// small part of that time is no reboot.
pub(crate) fn same_boot(then: (&str, u64), now: (&str, u64)) -> bool {
    if then.0 == now.0 {
        return true;
    }
    let minute = |id: &str| id.strip_prefix(UP)?.parse::<u64>().ok();
    let (Some(was), Some(is)) = (minute(then.0), minute(now.0)) else { return false };
    // The next whole minute may be only a moment away.
    let wandered_ms = was.abs_diff(is).saturating_sub(1).saturating_mul(60_000);
    now.1 >= then.1 && wandered_ms < then.1 / 4
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_interval_clock_moves_forward() {
        let first = boot_ms();
        assert!(first > 0);
        assert!(boot_ms() >= first);
        assert!(wall_ms() > 1_600_000_000_000);
    }

    #[test]
    fn a_boot_has_an_identity_with_or_without_the_kernels_help() {
        let id = boot_id(Path::new("/proc"));
        assert_eq!(id, boot_id(Path::new("/proc")));
        assert!(boot_id(Path::new("/nonexistent")).starts_with("up-"));
    }

    #[test]
    fn a_time_of_boot_that_wanders_is_the_same_boot() {
        let day = 86_400_000;
        assert!(same_boot(("up-1000", 5000), ("up-1001", 9000)));
        assert!(same_boot(("up-1000", 30 * day), ("up-1004", 30 * day)));
        assert!(same_boot(("up-1004", 30 * day), ("up-1000", 31 * day)));
        // Up for a shorter time than before, or for too short a time before.
        assert!(!same_boot(("up-1000", 9000), ("up-1001", 5000)));
        assert!(!same_boot(("up-1000", 60_000), ("up-1004", 90_000)));
        // What the kernel tells is exact, and no boot is known at first.
        assert!(!same_boot(("aa", day), ("ab", day)));
        assert!(!same_boot(("", 0), ("up-1000", day)));
        assert!(same_boot(("aa", day), ("aa", 1)));
    }

    proptest! {
        #[test]
        fn a_boot_is_told_from_the_one_before_it_by_the_time_that_passed(
            boot in 1_600_000_000..2_000_000_000_u64,
            up in 120..100_000_000_u64,
            down in 0..1_000_000_u64,
            later in 0..100_000_000_u64,
            wander in 0..=100_u64,
            back: bool,
        ) {
            let id = |seconds: u64| format!("{UP}{}", seconds / 60);
            // A reboot after the reading.
            let next = id(boot + up + down);
            prop_assert!(!same_boot((&id(boot), up * 1000), (&next, later * 1000)));
            // None, and a clock that goes wrong by up to a tenth of a percent.
            let wrong = up * wander / 100_000;
            let same = id(if back { boot - wrong } else { boot + wrong });
            prop_assert!(same_boot((&id(boot), up * 1000), (&same, (up + later) * 1000)));
        }
    }
}
