//! The spool against crashes at any byte, full disks, damage and copies.

mod clocks;
mod disks;

use std::{fs, path::Path, time::Duration};

use proptest::prelude::*;
use tempfile::tempdir;

use super::*;
use crate::ledger::{Interval, Pair, Verdict};

const RUN: Run<'_> = Run { boot: "boot-1", hasty: false };

fn open(dir: &Path) -> Spool {
    open_with(dir, Limits::default(), RUN)
}

fn open_with(dir: &Path, limits: Limits, run: Run<'_>) -> Spool {
    Spool::open(dir, limits, run).unwrap()
}

/// A step in which the only interface sent 10 bytes.
fn step(spool: &Spool) -> Step {
    let ledger = spool.ledger();
    let readings = [crate::source::Reading {
        name: "eth0".into(),
        index: 2,
        up: ledger.accounts.get("eth0").map_or(0, |a| a.last.up) + 10,
        down: 0,
    }];
    let seen = crate::ledger::Observation {
        boot: "boot-1",
        boot_ms: ledger.boot_ms + 5000,
        readings: &readings,
        gap: false,
        confirmed: true,
    };
    let terms = |_: &str| crate::ledger::Terms { counted: true, speed: None };
    match ledger.observe(&seen, terms) {
        Verdict::Step(step) => step,
        other => panic!("{other:?}"),
    }
}

fn sample(step: &Step, agent: AgentSeq) -> Sample {
    let Interval { bytes, ms, .. } = step.interval.clone().unwrap();
    Sample { up: bytes.up, interval_ms: ms, agent: Some(agent), ..Sample::default() }
}

fn add(spool: &mut Spool) -> Appended {
    let step = step(spool);
    spool.append(&step, |agent| sample(&step, agent)).unwrap()
}

/// Everything that waits, read back in batches of `most`.
fn waiting(spool: &mut Spool, most: usize) -> Vec<Sample> {
    let (mut cursor, mut under_way) = (Cursor::default(), Ranges::default());
    let mut samples = Vec::new();
    let room = Room { samples: most, bytes: 1 << 20 };
    while let Some(batch) = spool.batch(&mut cursor, &under_way, room).unwrap() {
        for (first, last) in batch.numbers {
            under_way.insert(first, last);
        }
        samples.extend(komandorr_wire::decode(&batch.payload).unwrap());
    }
    samples
}

fn seqs(samples: &[Sample]) -> Vec<u64> {
    samples.iter().filter_map(|sample| sample.agent.as_ref()?.seq).collect()
}

#[test]
fn what_is_stored_is_read_back_and_goes_with_its_acknowledgement() {
    let dir = tempdir().unwrap();
    let mut spool = open(dir.path());
    assert_eq!(add(&mut spool).newest, None, "the baseline is no sample");
    for _ in 0..7 {
        add(&mut spool);
    }
    assert_eq!(seqs(&waiting(&mut spool, 1)), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(seqs(&waiting(&mut spool, 3)), [1, 2, 3, 4, 5, 6, 7]);
    spool.acknowledge(&[(2, 3), (7, 7)]);
    assert_eq!(seqs(&waiting(&mut spool, 1000)), [1, 4, 5, 6]);
}

#[test]
fn a_killed_agent_goes_on_where_its_last_record_ends() {
    let dir = tempdir().unwrap();
    let mut spool = open(dir.path());
    (0..5).for_each(|_| drop(add(&mut spool)));
    spool.acknowledge(&[(1, 2)]);
    add(&mut spool);
    let (agent, ledger) = (spool.agent().to_owned(), spool.ledger().clone());
    drop(spool);
    let mut spool = open(dir.path());
    assert_eq!(spool.agent(), agent);
    assert_eq!(*spool.ledger(), ledger);
    assert_eq!(seqs(&waiting(&mut spool, 10)), [3, 4, 5]);
    assert_eq!(add(&mut spool).newest.unwrap().number, 6);
}

#[test]
fn a_crash_at_any_byte_leaves_a_whole_prefix() {
    let dir = tempdir().unwrap();
    let mut spool = open(dir.path());
    let path = spool.active.path.clone();
    // The state after each record, by the length of the log.
    let mut states = vec![(spool.active.len, spool.ledger().clone(), 0)];
    for i in 0..4 {
        add(&mut spool);
        states.push((spool.active.len, spool.ledger().clone(), i));
    }
    let agent = spool.agent().to_owned();
    drop(spool);
    let whole = fs::read(&path).unwrap();
    let begin = usize::try_from(states[0].0).unwrap();
    for length in begin..=whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let mut spool = open(dir.path());
        let (at, ledger, samples) =
            states.iter().rev().find(|(len, ..)| *len <= length as u64).unwrap();
        assert_eq!(spool.ledger(), ledger, "cut at {length}");
        assert_eq!(waiting(&mut spool, 100).len(), *samples, "cut at {length}");
        assert_eq!((spool.agent(), spool.size()), (&*agent, *at), "cut at {length}");
        add(&mut spool);
        assert_eq!(fs::metadata(&path).unwrap().len(), spool.size());
    }
    assert!(!dir.path().join("damaged").exists(), "a torn write is no damage");
}

#[test]
fn a_damaged_spool_is_set_aside_and_the_agent_goes_on() {
    let dir = tempdir().unwrap();
    let mut spool = open(dir.path());
    (0..6).for_each(|_| drop(add(&mut spool)));
    let (path, middle) = (spool.active.path.clone(), spool.active.len / 2);
    let agent = spool.agent().to_owned();
    drop(spool);
    let mut bytes = fs::read(&path).unwrap();
    bytes[usize::try_from(middle).unwrap()] ^= 0xff;
    fs::write(&path, &bytes).unwrap();
    let mut spool = open(dir.path());
    assert_eq!(fs::read_dir(dir.path().join("damaged")).unwrap().count(), 1);
    assert_ne!(spool.agent(), agent, "lost numbers must not be used again");
    let before = waiting(&mut spool, 100);
    assert!(!before.is_empty(), "what can be read is still sent");
    assert_eq!(add(&mut spool).newest, None, "nothing is counted twice");
    add(&mut spool);
    let after = waiting(&mut spool, 100);
    assert_eq!(after.len(), before.len() + 1);
    let newest = after.last().unwrap().agent.clone().unwrap();
    assert_eq!((&*newest.agent, newest.seq), (spool.agent(), Some(1)));
}

#[test]
fn damage_in_an_old_segment_costs_only_what_it_held() {
    let dir = tempdir().unwrap();
    let limits = Limits { bytes: 16 * SEGMENT_LEAST, ..Limits::default() };
    let mut spool = open_with(dir.path(), limits, RUN);
    while spool.older.len() < 3 {
        add(&mut spool);
    }
    let (agent, all, ledger) =
        (spool.agent().to_owned(), waiting(&mut spool, 1000).len(), spool.ledger().clone());
    let old = spool.older[1].path.clone();
    drop(spool);
    fs::write(&old, b"garbage").unwrap();
    let mut spool = open_with(dir.path(), limits, RUN);
    assert_eq!((spool.agent(), spool.ledger()), (&*agent, &ledger));
    let left = waiting(&mut spool, 1000).len();
    assert!(left < all && left > all / 3, "{left} of {all}");
}

#[test]
fn a_segment_that_is_gone_holds_up_nothing_behind_it() {
    let dir = tempdir().unwrap();
    let mut spool =
        open_with(dir.path(), Limits { bytes: 16 * SEGMENT_LEAST, ..Limits::default() }, RUN);
    while spool.older.len() < 3 {
        add(&mut spool);
    }
    let all = waiting(&mut spool, 1000).len() as u64;
    for (gone, cut) in [(0, false), (1, true)] {
        let path = &spool.older[gone].path;
        if cut {
            fs::OpenOptions::new().write(true).open(path).unwrap().set_len(100).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    let newest = add(&mut spool).newest.unwrap().number;
    let left = seqs(&waiting(&mut spool, 1000));
    assert_eq!(left.last().copied(), Some(newest));
    assert_eq!(left.len() as u64 + spool.dropped(), all + 1);
    assert!(spool.dropped() > 0);
    spool.acknowledge(&[(0, newest)]);
    assert!(waiting(&mut spool, 1000).is_empty());
}

#[test]
fn a_full_spool_drops_the_oldest_and_counts_them() {
    let dir = tempdir().unwrap();
    let limits = Limits { bytes: 64 << 10, ..Limits::default() };
    let mut spool = open_with(dir.path(), limits, RUN);
    let mut dropped = 0;
    for _ in 0..2000 {
        let Dropped { full, old } = add(&mut spool).dropped;
        assert_eq!(old, 0);
        dropped += full;
        assert!(spool.size() <= limits.bytes, "{} bytes", spool.size());
    }
    assert!(dropped > 0);
    assert_eq!(spool.dropped(), dropped);
    let left = seqs(&waiting(&mut spool, 1000));
    assert_eq!(*left.last().unwrap(), 1999);
    assert_eq!(left.len() as u64 + dropped, 1999);
    assert_eq!(left[0], dropped + 1, "the oldest went first");
    drop(spool);
    assert_eq!(open_with(dir.path(), limits, RUN).dropped(), dropped);
}

#[test]
fn what_is_too_old_is_dropped() {
    let dir = tempdir().unwrap();
    let limits = Limits { age: Duration::from_hours(1), ..Limits::default() };
    let mut spool = open_with(dir.path(), limits, RUN);
    let mut dropped = Dropped::default();
    for _ in 0..2000 {
        let now = add(&mut spool).dropped;
        dropped = Dropped { full: dropped.full + now.full, old: dropped.old + now.old };
    }
    // 720 samples an hour, and at most a sixteenth of that on top.
    let left = waiting(&mut spool, 1000).len();
    assert_eq!(dropped, Dropped { full: 0, old: 1999 - left as u64 });
    assert!((720..=790).contains(&left), "{left} samples are left");
}

#[test]
fn acknowledged_segments_leave_the_disk() {
    let dir = tempdir().unwrap();
    let mut spool = open_with(dir.path(), Limits { bytes: 64 << 10, ..Limits::default() }, RUN);
    for _ in 0..500 {
        if let Some(newest) = add(&mut spool).newest {
            spool.acknowledge(&[(newest.number, newest.number)]);
        }
        assert!(spool.older.is_empty());
    }
    assert!(spool.size() <= SEGMENT_LEAST);
}

#[test]
fn a_copied_state_directory_gets_an_identity_of_its_own() {
    let (dir, copy) = (tempdir().unwrap(), tempdir().unwrap());
    let mut spool = open(dir.path());
    (0..4).for_each(|_| drop(add(&mut spool)));
    for entry in fs::read_dir(dir.path()).unwrap().flatten() {
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let mut copied = open(copy.path());
    assert_ne!(copied.agent(), spool.agent());
    assert_eq!(add(&mut copied).newest, None, "its first reading is a baseline");
    add(&mut copied);
    assert_eq!(waiting(&mut copied, 100).last().unwrap().agent.as_ref().unwrap().seq, Some(1));
}

#[test]
fn numbers_that_a_power_cut_may_have_taken_are_not_used_again() {
    let hasty = Run { boot: "boot-1", hasty: true };
    let after = Run { boot: "boot-2", ..hasty };
    let dir = tempdir().unwrap();
    let mut spool = open_with(dir.path(), Limits::default(), hasty);
    (0..4).for_each(|_| drop(add(&mut spool)));
    let agent = spool.agent().to_owned();
    spool.close().unwrap();
    drop(spool);
    let mut spool = open_with(dir.path(), Limits::default(), after);
    assert_eq!(spool.agent(), agent, "after an orderly end nothing is missing");
    add(&mut spool);
    drop(spool);
    let spool = open_with(dir.path(), Limits::default(), Run { boot: "boot-3", ..hasty });
    assert_ne!(spool.agent(), agent);
    assert!(spool.ledger().accounts["eth0"].last.up > 0, "since-boot bytes are still credited");
}

#[test]
fn a_time_of_boot_that_wanders_between_two_runs_is_no_reboot() {
    let dir = tempdir().unwrap();
    let mut spool = open_with(dir.path(), Limits::default(), Run { boot: "up-1000", hasty: true });
    let first = Step { boot: "up-1000".into(), ..step(&spool) };
    spool.append(&first, |agent| sample(&first, agent)).unwrap();
    let (agent, ledger) = (spool.agent().to_owned(), spool.ledger().clone());
    drop(spool);
    let spool = open_with(dir.path(), Limits::default(), Run { boot: "up-1001", hasty: true });
    assert_eq!(spool.agent(), agent);
    assert_eq!(*spool.ledger(), Ledger { boot: "up-1001".into(), ..ledger });
}

#[test]
fn two_agents_cannot_share_a_state_directory() {
    let dir = tempdir().unwrap();
    let first = open(dir.path());
    let error = Spool::open(dir.path(), Limits::default(), RUN).unwrap_err();
    assert!(error.to_string().contains("another agent"), "{error}");
    drop(first);
    open(dir.path());
}

#[test]
fn an_unusable_state_directory_is_refused_in_one_line() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Spool::open(&file.join("state"), Limits::default(), RUN).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("cannot make the state directory"), "{text}");
    assert!(text.contains("--state-dir") && !text.contains('\n'), "{text}");
}

#[test]
fn the_disk_is_synced_at_most_every_five_seconds() {
    let dir = tempdir().unwrap();
    let mut spool = open_with(dir.path(), Limits::default(), Run { hasty: true, ..RUN });
    let mut synced = Vec::new();
    for second in 0..30 {
        add(&mut spool);
        if spool.due_for_sync(100_000 + second * 1000).unwrap().is_some() {
            synced.push(second);
        }
    }
    assert_eq!(synced, [0, 5, 10, 15, 20, 25]);
    drop(spool);
    // At longer intervals each sample, before it is published.
    let mut spool = open(dir.path());
    for ms in [230_000, 231_200, 236_190] {
        add(&mut spool);
        assert!(spool.due_for_sync(ms).unwrap().is_some());
    }
}

#[derive(Debug, Clone)]
enum Act {
    Add,
    Acknowledge(u64, u64),
    Crash(u64),
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => Just(Act::Add),
        3 => (1..60_u64, 0..9_u64).prop_map(|(first, more)| Act::Acknowledge(first, first + more)),
        1 => (1..400_u64).prop_map(Act::Crash),
        1 => Just(Act::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn no_byte_is_lost_or_doubled_by_crashes(acts in prop::collection::vec(act(), 1..80)) {
        let dir = tempdir().unwrap();
        let limits = Limits { bytes: 16 * SEGMENT_LEAST, ..Limits::default() };
        let mut spool = open_with(dir.path(), limits, RUN);
        let mut server = std::collections::BTreeMap::new();
        add(&mut spool);
        for act in acts {
            match act {
                Act::Add => drop(add(&mut spool)),
                Act::Acknowledge(first, last) => {
                    for sample in waiting(&mut spool, 7) {
                        let seq = sample.agent.as_ref().unwrap().seq.unwrap();
                        if (first..=last).contains(&seq) {
                            server.insert(seq, sample.up);
                        }
                    }
                    spool.acknowledge(&[(first, last)]);
                }
                Act::Crash(cut) => {
                    // The last write is torn; it was not published before.
                    let (path, len) = (spool.active.path.clone(), spool.active.len);
                    let last = spool.number;
                    drop(spool);
                    if !server.contains_key(&last) {
                        let records = fs::read(&path).unwrap();
                        let start = last_record(&records);
                        let keep = len.saturating_sub(cut).max(start);
                        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(keep).unwrap();
                    }
                    spool = open_with(dir.path(), limits, RUN);
                }
                Act::Restart => {
                    spool.close().unwrap();
                    drop(spool);
                    spool = open_with(dir.path(), limits, RUN);
                }
            }
        }
        for sample in waiting(&mut spool, 5) {
            server.insert(sample.agent.as_ref().unwrap().seq.unwrap(), sample.up);
        }
        let total = spool.ledger().total;
        prop_assert_eq!(Pair { up: server.values().sum(), down: 0 }, total);
        prop_assert_eq!(server.keys().copied().collect::<Vec<_>>(), (1..=spool.number).collect::<Vec<_>>());
    }
}

/// Where the last record of a segment begins.
fn last_record(bytes: &[u8]) -> u64 {
    let (mut at, mut before) = (0, 0);
    while let record::Frame::Whole(_, next) = record::read(bytes, at) {
        (before, at) = (at, next);
    }
    before.max(bytes.len().min(record::HEADER)) as u64
}
