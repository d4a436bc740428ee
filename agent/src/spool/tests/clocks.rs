//! Time stamps of samples that have waited.

use super::super::stamp::Moment;
use super::*;

/// The wall clock once it is set, and the other one at the same moment.
const SET: i64 = 1_800_000_000_000;
const NOW: Moment = Moment { boot_ms: 1_000_000, wall_ms: Some(SET), runs_while_off: false };

fn add_stamped(spool: &mut Spool, ended_ms: Option<i64>) -> u64 {
    let step = step(spool);
    spool.append(&step, |agent| Sample { ended_ms, ..sample(&step, agent) }).unwrap();
    step.boot_ms
}

fn stamps(spool: &mut Spool, moment: Moment) -> Vec<Option<i64>> {
    let room = Room { samples: 100, bytes: 1 << 20 };
    let batch = spool.batch_at(moment, &mut Cursor::default(), &Ranges::default(), room);
    let samples = komandorr_wire::decode(&batch.unwrap().unwrap().payload).unwrap();
    assert_eq!(seqs(&samples), (1..=samples.len() as u64).collect::<Vec<_>>());
    samples.iter().map(|sample| sample.ended_ms).collect()
}

#[test]
fn samples_of_this_boot_follow_a_wall_clock_that_was_set_since() {
    let dir = tempdir().unwrap();
    let mut spool = open(dir.path());
    add(&mut spool);
    let true_end = |boot_ms: u64| SET - i64::try_from(NOW.boot_ms - boot_ms).unwrap();
    // Before the clock was set: not at all, and to a day of last week.
    let first = add_stamped(&mut spool, None);
    let second = add_stamped(&mut spool, Some(SET - 7 * 86_400_000));
    // Since it is: it wanders a little.
    let third = add_stamped(&mut spool, Some(true_end(second + 5000) + 3000));
    let stored = [None, Some(SET - 7 * 86_400_000), Some(true_end(third) + 3000)];
    assert_eq!(
        stamps(&mut spool, NOW),
        [Some(true_end(first)), Some(true_end(second)), Some(true_end(third) + 3000)]
    );
    // One that runs while the host is off was right before a pause, too.
    let paused = Moment { runs_while_off: true, ..NOW };
    assert_eq!(stamps(&mut spool, paused), [Some(true_end(first)), stored[1], stored[2]]);
    // As long as it is not set there is nothing better, and after the next boot
    // nobody knows any more.
    assert_eq!(stamps(&mut spool, Moment { wall_ms: None, ..NOW }), stored);
    drop(spool);
    let mut spool = open_with(dir.path(), Limits::default(), Run { boot: "boot-2", ..RUN });
    assert_eq!(stamps(&mut spool, NOW), stored);
}

#[test]
fn the_newest_sample_is_stamped_anew_as_well() {
    let dir = tempdir().unwrap();
    let mut spool = open(dir.path());
    add(&mut spool);
    let step = step(&spool);
    let sent = |spool: &mut Spool, ended_ms| {
        let made = |agent| Sample { ended_ms, ..sample(&step, agent) };
        let newest = spool.append(&step, made).unwrap().newest.unwrap();
        let payload = NOW.stamped(&newest.payload, newest.boot_ms).into_owned();
        komandorr_wire::decode(&payload).unwrap()[0].ended_ms
    };
    let ended = SET - i64::try_from(NOW.boot_ms - step.boot_ms).unwrap();
    assert_eq!(sent(&mut spool, Some(42)), Some(ended));
    assert_eq!(sent(&mut spool, Some(ended - 5000)), Some(ended - 5000));
}
