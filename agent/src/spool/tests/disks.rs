//! Disks that are full, and disks that lose what was written to them.

use std::os::unix::fs::symlink;

use super::*;

/// A file whose first byte no read gets: EIO, as from a bad sector.
const BAD_SECTOR: &str = "/proc/self/mem";

#[test]
fn a_bad_sector_in_an_old_segment_costs_only_what_it_held() {
    let dir = tempdir().unwrap();
    let limits = Limits { bytes: 16 * SEGMENT_LEAST, ..Limits::default() };
    let mut spool = open_with(dir.path(), limits, RUN);
    while spool.older.len() < 3 {
        add(&mut spool);
    }
    let (agent, ledger) = (spool.agent().to_owned(), spool.ledger().clone());
    let all = waiting(&mut spool, 1000).len();
    let old = spool.older[1].path.clone();
    drop(spool);
    fs::remove_file(&old).unwrap();
    symlink(BAD_SECTOR, &old).unwrap();
    let mut spool = open_with(dir.path(), limits, RUN);
    assert_eq!((spool.agent(), spool.ledger()), (&*agent, &ledger));
    let left = waiting(&mut spool, 1000).len();
    assert!(left < all && left > all / 3, "{left} of {all}");
    assert_eq!(fs::read_dir(dir.path().join("damaged")).unwrap().count(), 1);
}

#[test]
fn a_bad_sector_in_the_newest_segment_is_a_new_identity() {
    let dir = tempdir().unwrap();
    let mut spool = open(dir.path());
    (0..4).for_each(|_| drop(add(&mut spool)));
    let agent = spool.agent().to_owned();
    symlink(BAD_SECTOR, Segment::named(dir.path(), spool.active.id + 1).path).unwrap();
    drop(spool);
    let mut spool = open(dir.path());
    assert_ne!(spool.agent(), agent);
    assert_eq!(waiting(&mut spool, 100).len(), 3);
    assert_eq!(add(&mut spool).newest, None, "its first reading is a baseline");
}

#[test]
fn damage_that_cannot_be_set_aside_keeps_no_agent_from_its_work() {
    let dir = tempdir().unwrap();
    let mut spool = open(dir.path());
    (0..6).for_each(|_| drop(add(&mut spool)));
    let (path, middle) = (spool.active.path.clone(), spool.active.len / 2);
    drop(spool);
    let mut bytes = fs::read(&path).unwrap();
    bytes[usize::try_from(middle).unwrap()] ^= 0xff;
    fs::write(&path, &bytes).unwrap();
    // Where the folder should be.
    fs::write(dir.path().join("damaged"), "").unwrap();
    let mut spool = open(dir.path());
    assert!(!waiting(&mut spool, 100).is_empty(), "what can be read is still sent");
    assert_eq!(fs::read(&path).unwrap(), bytes, "the rest may be read another time");
    add(&mut spool);
    assert!(add(&mut spool).newest.is_some());
}

#[test]
fn what_made_room_for_a_write_that_failed_is_told_by_the_next() {
    let dir = tempdir().unwrap();
    let mut spool = open_with(dir.path(), Limits { bytes: 64 << 10, ..Limits::default() }, RUN);
    let (mut told, mut failed) = (0, 0);
    for _ in 0..1000 {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let file = std::mem::replace(&mut spool.file, full);
        let step = step(&spool);
        told += if let Ok(appended) = spool.append(&step, |agent| sample(&step, agent)) {
            appended.dropped.full
        } else {
            failed += 1;
            spool.file = file;
            add(&mut spool).dropped.full
        };
    }
    assert!(failed > 900 && told > 0, "{failed} failed, {told} were told");
    assert_eq!(told, spool.dropped());
}

#[test]
fn the_interval_is_seen_in_the_files_alone() {
    let dir = tempdir().unwrap();
    assert_eq!(last_interval(dir.path()).unwrap(), None);
    let mut spool = open(dir.path());
    (0..3).for_each(|_| drop(add(&mut spool)));
    assert_eq!(last_interval(dir.path()).unwrap(), Some(Duration::from_secs(5)));
    // One over a gap tells none, and neither does a segment that has just begun.
    let last = step(&spool);
    let gap = |agent| Sample { gap: true, interval_ms: 900_000, ..sample(&last, agent) };
    spool.append(&last, gap).unwrap();
    spool.rotate().unwrap();
    assert_eq!(last_interval(dir.path()).unwrap(), Some(Duration::from_secs(5)));
}
