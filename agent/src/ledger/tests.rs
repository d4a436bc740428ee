//! The ledger's rules, one by one and under arbitrary sequences.

mod origin;

use proptest::prelude::*;

use super::*;

const SPEED: Option<u64> = Some(125_000_000);

fn reading(name: &str, index: u32, up: u64, down: u64) -> Reading {
    Reading { name: name.into(), index, up, down }
}

fn terms(_: &str) -> Terms {
    Terms { counted: true, speed: SPEED }
}

/// Observes, confirms when asked to, and applies.
fn take(ledger: &mut Ledger, boot: &str, boot_ms: u64, readings: &[Reading]) -> Step {
    for confirmed in [false, true] {
        let seen = Observation { boot, boot_ms, readings, gap: false, confirmed };
        match ledger.observe(&seen, terms) {
            Verdict::Step(step) => {
                ledger.apply(&step);
                return step;
            }
            Verdict::ReadAgain => {}
            Verdict::TooSoon => panic!("too soon"),
        }
    }
    panic!("asked twice to read again")
}

/// Bytes of the only interface after a sequence of readings, 5 s apart.
fn credited(readings: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut ledger = Ledger::default();
    let steps = readings
        .iter()
        .zip(1..)
        .map(|(&(up, down), i)| take(&mut ledger, "a", i * 5000, &[reading("eth0", 2, up, down)]));
    let bytes = steps.filter_map(|step| Some(step.interval?.bytes));
    bytes.map(|pair| (pair.up, pair.down)).collect()
}

#[test]
fn the_first_reading_of_a_new_state_is_only_a_baseline() {
    let mut ledger = Ledger::default();
    let step = take(&mut ledger, "a", 1000, &[reading("eth0", 2, 5_000_000, 7)]);
    assert_eq!(step.interval, None);
    assert_eq!(ledger.total, Pair::default());
    let step = take(&mut ledger, "a", 6000, &[reading("eth0", 2, 5_000_100, 9)]);
    let interval = step.interval.unwrap();
    assert_eq!((interval.bytes, interval.ms), (Pair { up: 100, down: 2 }, 5000));
    assert!(!interval.gap);
}

#[test]
fn a_fall_is_a_reset_and_the_new_value_counts() {
    assert_eq!(credited(&[(900, 900), (1000, 1000), (30, 40)]), [(100, 100), (30, 40)]);
    // Also where one direction has already passed its old value.
    assert_eq!(credited(&[(900_000_000, 100), (30, 140)]), [(30, 140)]);
}

#[test]
fn a_wrapped_32_bit_counter_is_recognised() {
    let top = u64::from(u32::MAX);
    assert_eq!(credited(&[(top - 99, 500), (100, 600)]), [(200, 100)]);
    assert_eq!(credited(&[(top, top - 4), (1, 0)]), [(2, 5)]);
}

#[test]
fn a_counter_that_wrapped_far_is_told_from_a_reset_by_its_other_direction() {
    // 3.5 GB more in one interval, and 1 MB in the other direction.
    let (sent, received) = (1_000_000_000, 20_000_000);
    let wrapped = sent + 3_500_000_000 - (1 << 32);
    let seen = credited(&[(sent, received), (wrapped, received + 1_000_000)]);
    assert_eq!(seen, [(3_500_000_000, 1_000_000)]);
    // A reset, since when the other direction has grown well past its old value,
    // or shows again what a card shows first.
    let seen = credited(&[(sent, received), (wrapped, received + 2_000_000)]);
    assert_eq!(seen, [(wrapped, received + 2_000_000)]);
    assert_eq!(credited(&[(sent, 400), (30, 400)]), [(30, 400)]);
    // And one that took both directions down.
    assert_eq!(credited(&[(sent, received), (30, received - 9)]), [(30, received - 9)]);
}

#[test]
fn a_counter_that_was_ever_beyond_32_bits_does_not_wrap() {
    let top = u64::from(u32::MAX);
    let seen = credited(&[(top - 99, top + 100), (top - 50, top + 200), (100, 50)]);
    assert_eq!(seen, [(49, 100), (100, 50)]);
}

#[test]
fn zeros_amid_traffic_are_read_again_before_they_are_believed() {
    let mut ledger = Ledger::default();
    take(&mut ledger, "a", 1000, &[reading("eth0", 2, 1 << 40, 1 << 40)]);
    let zeros = [reading("eth0", 2, 0, 0)];
    let seen = |confirmed| Observation {
        boot: "a",
        boot_ms: 6000,
        readings: &zeros,
        gap: false,
        confirmed,
    };
    assert_eq!(ledger.observe(&seen(false), terms), Verdict::ReadAgain);
    let Verdict::Step(step) = ledger.observe(&seen(true), terms) else { panic!() };
    assert_eq!(step.doubts, [("eth0".into(), Doubt::Zeros)]);
}

#[test]
fn zeros_that_were_a_glitch_make_no_spike() {
    let big = 1 << 40;
    assert_eq!(
        credited(&[(big, big), (0, 0), (0, 0), (big + 5, big + 6)]),
        [(0, 0), (0, 0), (5, 6)]
    );
    // Not even of a counter that the link could have filled meanwhile: a link that
    // was down shows zeros with some drivers, and then goes on.
    let small = 100_000_000;
    assert_eq!(
        credited(&[(small, small), (0, 0), (0, 0), (small + 50_000, small + 60_000)]),
        [(0, 0), (0, 0), (50_000, 60_000)]
    );
}

#[test]
fn zeros_that_were_a_reset_lose_nothing() {
    let big = 1 << 40;
    assert_eq!(credited(&[(big, big), (0, 0), (700, 800)]), [(0, 0), (700, 800)]);
    assert_eq!(credited(&[(10, 10), (0, 0), (700, 800)]), [(0, 0), (700, 800)]);
}

#[test]
fn a_counter_that_steps_back_a_little_is_not_credited_anew() {
    // 5 TB that fall by 100 bytes are a driver's race, not a reset.
    let big = 5_000_000_000_000;
    assert_eq!(
        credited(&[(big, big), (big - 100, big + 10), (big + 50, big + 60)]),
        [(0, 0), (50, 60)]
    );
    // When it stays there, counting goes on from there.
    assert_eq!(
        credited(&[(big, big), (big - 900, big), (big - 800, big + 1), (big - 700, big + 2)]),
        [(0, 0), (100, 1), (100, 1)]
    );
}

#[test]
fn a_counter_that_steps_back_within_what_the_link_carries_is_not_credited_anew() {
    // 2 GB in 5 s are less than 10 Gbit/s carry: that alone makes no reset.
    let some = 2_000_000_000;
    assert_eq!(
        credited(&[(some, some), (some - 100, some + 10), (some + 50, some + 60)]),
        [(0, 0), (50, 60)]
    );
    assert_eq!(
        credited(&[
            (some, some),
            (some - 900, some),
            (some - 800, some + 1),
            (some - 700, some + 2)
        ]),
        [(0, 0), (100, 1), (100, 1)]
    );
    // One direction that is idle, or that lost most, decides as before.
    assert_eq!(credited(&[(some, 0), (some - 100, 0), (some + 1, 0)]), [(0, 0), (1, 0)]);
    assert_eq!(credited(&[(some, some), (some - 100, 7)]), [(some - 100, 7)]);
    // A reset while a reading is held, and one that zeros have confirmed.
    assert_eq!(credited(&[(some, some), (some - 9, some), (30, 40)]), [(0, 0), (30, 40)]);
    assert_eq!(credited(&[(some, some), (0, 0), (some - 9, some)]), [(0, 0), (some - 9, some)]);
}

#[test]
fn a_fall_by_a_sixteenth_of_the_last_reading_is_a_reset_and_less_a_step_back() {
    assert_eq!(credited(&[(1600, 1600), (1501, 1501), (1601, 1602)]), [(0, 0), (1, 2)]);
    assert_eq!(credited(&[(1600, 1600), (1500, 1501)]), [(1500, 1501)]);
}

#[test]
fn an_impossible_reading_is_flagged_and_credited() {
    let mut ledger = Ledger::default();
    take(&mut ledger, "a", 1000, &[reading("eth0", 2, 0, 0)]);
    let step = take(&mut ledger, "a", 2000, &[reading("eth0", 2, 9_000_000_000, 1)]);
    let bytes = Pair { up: 9_000_000_000, down: 1 };
    assert_eq!(step.doubts, [("eth0".into(), Doubt::TooMuch(bytes))]);
    assert_eq!(step.interval.unwrap().bytes, bytes);
}

#[test]
fn a_broken_counter_does_not_poison_the_totals() {
    let mut ledger = Ledger::default();
    take(&mut ledger, "a", 1000, &[reading("eth0", 2, 0, 0)]);
    let step = take(&mut ledger, "a", 2000, &[reading("eth0", 2, u64::MAX, 1)]);
    assert!(matches!(step.doubts[..], [(_, Doubt::Absurd(_))]));
    assert_eq!(ledger.total, Pair::default());
}

#[test]
fn a_new_interface_starts_from_its_first_reading() {
    let mut ledger = Ledger::default();
    take(&mut ledger, "a", 1000, &[reading("eth0", 2, 10, 10)]);
    let two = [reading("eth0", 2, 20, 20), reading("usb0", 9, 7_000, 7_000)];
    assert_eq!(take(&mut ledger, "a", 2000, &two).interval.unwrap().bytes.up, 10);
    // Another interface of the same name: its index tells.
    let other = [reading("eth0", 2, 20, 20), reading("usb0", 10, 9_000, 9_000)];
    assert_eq!(take(&mut ledger, "a", 3000, &other).interval.unwrap().bytes.up, 0);
}

#[test]
fn a_vanished_interface_keeps_its_total() {
    let mut ledger = Ledger::default();
    take(&mut ledger, "a", 1000, &[reading("usb0", 2, 0, 0)]);
    take(&mut ledger, "a", 2000, &[reading("usb0", 2, 70, 0)]);
    take(&mut ledger, "a", 3000, &[]);
    assert!(!ledger.accounts["usb0"].present);
    take(&mut ledger, "a", 4000, &[reading("usb0", 3, 500, 0)]);
    let step = take(&mut ledger, "a", 5000, &[reading("usb0", 3, 530, 0)]);
    assert_eq!(step.interval.unwrap().interfaces[0].total.up, 100);
    assert_eq!(ledger.total.up, 100);
}

#[test]
fn a_thousand_vanished_containers_do_not_fill_the_state() {
    let mut ledger = Ledger::default();
    for i in 1..2000_u32 {
        take(&mut ledger, "a", u64::from(i), &[reading(&format!("veth{i}"), i, 0, 0)]);
    }
    assert!(ledger.accounts.len() <= KEEP_VANISHED + 2);
}

#[test]
fn a_reboot_credits_what_the_counter_shows_since_boot() {
    let mut ledger = Ledger::default();
    take(&mut ledger, "a", 900_000, &[reading("eth0", 2, 10_000, 10_000)]);
    // One that is new, or has another name in this boot, has never been counted.
    let now = [reading("eth0", 3, 600, 700), reading("eth9", 4, 5, 6)];
    let interval = take(&mut ledger, "b", 30_000, &now).interval.unwrap();
    assert_eq!(interval.bytes, Pair { up: 605, down: 706 });
    assert_eq!((interval.ms, interval.gap), (30_000, true));
}

#[test]
fn an_interface_that_comes_late_after_a_reboot_owes_the_old_boot_nothing() {
    // 3.9 GB of 4.29: what comes after it could be taken for a 32-bit wrap.
    for old in [10_000, 3_900_000_000] {
        let mut ledger = Ledger::default();
        let both = |index, up, down| [reading("eth0", 2, 1, 1), reading("usb0", index, up, down)];
        take(&mut ledger, "a", 900_000, &both(3, old, old));
        take(&mut ledger, "b", 5000, &[reading("eth0", 2, 1, 1)]);
        // Numbers are given anew with each boot.
        let step = take(&mut ledger, "b", 10_000, &both(7, 20_000, 30_000));
        let usb0 = &step.interval.unwrap().interfaces[1];
        assert_eq!(usb0.bytes, Pair { up: 20_000, down: 30_000 }, "{old}");
        // In this boot another one of the name begins with what it shows first.
        let step = take(&mut ledger, "b", 15_000, &both(8, 50_000, 60_000));
        assert_eq!(step.interval.unwrap().interfaces[1].bytes, Pair::default());
    }
}

#[test]
fn an_interface_that_was_gone_before_a_reboot_owes_the_old_boot_nothing() {
    let mut ledger = Ledger::default();
    let usb0 = |up, down| [reading("usb0", 3, up, down)];
    take(&mut ledger, "a", 1000, &usb0(9000, 9000));
    // A reading that is held, of the old boot too.
    take(&mut ledger, "a", 2000, &usb0(8000, 8000));
    take(&mut ledger, "a", 3000, &[]);
    take(&mut ledger, "b", 1000, &[]);
    let account = &ledger.accounts["usb0"];
    assert_eq!((account.last, account.held), (Pair::default(), None));
    let step = take(&mut ledger, "b", 2000, &usb0(8500, 8600));
    assert_eq!(step.interval.unwrap().bytes, Pair { up: 8500, down: 8600 });
    // In the same boot one that comes back with its number counts on.
    take(&mut ledger, "b", 3000, &[]);
    let step = take(&mut ledger, "b", 4000, &usb0(8501, 8602));
    assert_eq!(step.interval.unwrap().bytes, Pair { up: 1, down: 2 });
}

#[test]
fn a_state_does_not_age_while_no_agent_runs() {
    let mut ledger = Ledger::default();
    let eth0 = [reading("eth0", 2, 1, 1)];
    take(&mut ledger, "a", 1000, &eth0);
    take(&mut ledger, "a", 6000, &eth0);
    assert_eq!(ledger.elapsed_ms, 5000);
    // Asleep for a fortnight, then switched off.
    let seen =
        |boot, boot_ms, gap| Observation { boot, boot_ms, readings: &eth0, gap, confirmed: true };
    for (boot, boot_ms) in [("a", 14 * 86_400_000), ("b", 900_000)] {
        let Verdict::Step(step) = ledger.observe(&seen(boot, boot_ms, boot == "a"), terms) else {
            panic!()
        };
        assert!(step.interval.as_ref().unwrap().gap);
        ledger.apply(&step);
        assert_eq!(ledger.elapsed_ms, 5000);
    }
}

#[test]
fn no_time_is_no_interval() {
    let mut ledger = Ledger::default();
    let readings = [reading("eth0", 2, 1, 1)];
    take(&mut ledger, "a", 1000, &readings);
    let seen =
        Observation { boot: "a", boot_ms: 1000, readings: &readings, gap: false, confirmed: false };
    assert_eq!(ledger.observe(&seen, terms), Verdict::TooSoon);
}

/// What can happen to a network card between two readings.
#[derive(Debug, Clone)]
enum Event {
    Traffic(u64, u64),
    Reset(u64, u64),
    Reboot(u64, u64),
    /// A driver's race: so many thousandths less, for one reading.
    StepBack(u64, u64),
    /// The step could not be stored: the ledger stays where it was.
    NotStored(u64, u64),
}

fn event() -> impl Strategy<Value = Event> {
    // At most what 1 Gbit/s carries in 5 s: a reset within an interval cannot
    // show more than the link carried in it.
    let bytes = || (0..600_000_000_u64, 1..600_000_000_u64);
    prop_oneof![
        6 => bytes().prop_map(|(up, down)| Event::Traffic(up, down)),
        1 => bytes().prop_map(|(up, down)| Event::Reset(up, down)),
        1 => bytes().prop_map(|(up, down)| Event::Reboot(up, down)),
        1 => (0..60_u64, 1..60_u64).prop_map(|(up, down)| Event::StepBack(up, down)),
        1 => bytes().prop_map(|(up, down)| Event::NotStored(up, down)),
    ]
}

proptest! {
    #[test]
    fn credited_bytes_equal_the_true_bytes(
        start in (1_u64 << 33)..1 << 50,
        events in prop::collection::vec(event(), 0..60),
    ) {
        let mut ledger = Ledger::default();
        let (mut boot, mut now, mut raw) = (0, 1000, Pair { up: start, down: start });
        let mut truth = Pair::default();
        let (mut stored, mut back) = (true, false);
        let near = |last: u64, now: u64| now > last - last / 16;
        take(&mut ledger, "0", now, &[reading("eth0", 2, raw.up, raw.down)]);
        for event in events {
            now += 5000;
            let (Event::Traffic(up, down) | Event::Reset(up, down) | Event::Reboot(up, down)
                | Event::StepBack(up, down) | Event::NotStored(up, down)) = event;
            let moved = Pair { up, down };
            match event {
                // It recovers before it strikes again, or it were no race.
                Event::StepBack(..) if stored && !back => {
                    let less = |all: u64, thousandths| all - all / 1000 * thousandths;
                    let readings = [reading("eth0", 2, less(raw.up, up), less(raw.down, down))];
                    take(&mut ledger, &boot.to_string(), now, &readings);
                    prop_assert_eq!(ledger.total, truth);
                    back = true;
                    continue;
                }
                Event::Traffic(..) | Event::NotStored(..) | Event::StepBack(..) => {
                    raw = raw.plus(moved);
                }
                // A reset hides what was not read before it, so in a world of
                // exact truth it strikes right after a reading.
                Event::Reset(..) | Event::Reboot(..) if !stored => raw = raw.plus(moved),
                // One whose counter has passed its old values shows nowhere,
                // and one that is near to both looks like a step back.
                Event::Reset(..) if near(raw.up, up) && near(raw.down, down) => {
                    raw = raw.plus(moved);
                }
                Event::Reset(..) => raw = moved,
                Event::Reboot(..) => (boot, now, raw) = (boot + 1, 5000, moved),
            }
            truth = truth.plus(moved);
            let readings = [reading("eth0", 2, raw.up, raw.down)];
            stored = !matches!(event, Event::NotStored(..));
            if stored {
                back = false;
                take(&mut ledger, &boot.to_string(), now, &readings);
                prop_assert_eq!(ledger.total, truth);
                prop_assert_eq!(ledger.accounts["eth0"].total, truth);
            }
        }
    }

    #[test]
    fn a_32_bit_counter_is_credited_in_full(
        start in any::<u32>(),
        moves in prop::collection::vec((1..500_000_000_u64, 1..500_000_000_u64), 1..80),
    ) {
        let mut ledger = Ledger::default();
        let mut truth = Pair::default();
        let base = u64::from(start.max(1));
        let cut = |bytes: u64| (base + bytes) % (1 << 32);
        for (i, (up, down)) in std::iter::once((0, 0)).chain(moves).enumerate() {
            truth = truth.plus(Pair { up, down });
            let readings = [reading("eth0", 2, cut(truth.up), cut(truth.down))];
            take(&mut ledger, "a", (i as u64 + 1) * 5000, &readings);
            prop_assert_eq!(ledger.total, truth);
        }
    }

    #[test]
    fn no_sequence_of_readings_panics_or_lets_a_total_fall(
        readings in prop::collection::vec(
            (any::<u8>(), prop_oneof![Just(0), any::<u64>(), 0..9_u64], any::<u64>(), 0..3_u32),
            0..40,
        ),
    ) {
        let mut ledger = Ledger::default();
        let mut before = Pair::default();
        for (i, (boot, up, down, index)) in readings.into_iter().enumerate() {
            let readings = [reading("eth0", index, up, down)];
            take(&mut ledger, &(boot % 3).to_string(), (i as u64 + 1) * 1000, &readings);
            prop_assert!(ledger.total.up >= before.up && ledger.total.down >= before.down);
            prop_assert!(ledger.total.up <= i64::MAX.unsigned_abs());
            before = ledger.total;
        }
    }
}
