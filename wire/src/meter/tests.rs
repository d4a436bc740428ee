use proptest::prelude::*;

use super::*;

/// An agent of the original over a true traffic: every report as it rounds.
#[derive(Debug, Default)]
struct Agent {
    total: u64,
}

impl Agent {
    /// Speed in bytes per second and total in GiB, after an interval.
    fn report(&mut self, new: u64, interval_ms: u64) -> (f64, f64) {
        self.total += new;
        let speed = float(new) * 1000.0 / float(interval_ms) / MIB;
        ((speed * 100.0).round() / 100.0 * MIB, rounded(self.total))
    }
}

fn usual(elapsed_ms: u64) -> Interval {
    Interval::after(Some(elapsed_ms), 2_000)
}

proptest! {
    /// Whatever the speeds and however late the reports: what is counted is
    /// what the totals grew by, to within half a step.
    #[test]
    fn the_sum_is_what_the_totals_grew_by(
        start in 0_u64..2_000_000_000_000,
        reports in prop::collection::vec((0_u64..400_000_000, 1_u64..4_000, 0_u64..60_000), 1..200),
    ) {
        let mut agent = Agent { total: start };
        let (speed, total) = agent.report(0, 2_000);
        let mut tally = count(None, speed, total, Interval::First).tally;
        let (begun, mut sum) = (tally.unwrap().counted, 0);
        for (new, elapsed, pause) in reports {
            // Now and then reports are missing.
            let elapsed = if pause > 50_000 { pause } else { elapsed };
            let (speed, total) = agent.report(new, 2_000);
            let interval = usual(elapsed);
            let counted = count(tally, speed, total, interval);
            sum += counted.gap + counted.last;
            tally = counted.tally;
            let now = tally.unwrap().counted;
            prop_assert_eq!(begun + sum, now, "what is remembered is what was counted");
            prop_assert!(now <= agent.total + 2 * HALF_STEP + 2, "never more than the total says");
            if !matches!(interval, Interval::Hasty(_)) {
                let shown = (rounded(now).to_bits(), total.to_bits());
                prop_assert_eq!(shown.0, shown.1, "the total that is shown is the agent's");
                prop_assert!(now.abs_diff(agent.total) <= 2 * HALF_STEP + 2);
            }
        }
    }

    /// A restart of the server in between changes nothing.
    #[test]
    fn what_the_store_remembers_goes_on_without_a_seam(
        reports in prop::collection::vec((0_u64..90_000_000, any::<bool>()), 1..100),
    ) {
        let (mut agent, mut other) = (Agent { total: 7_000_000_000 }, None);
        let mut tally = None;
        for (new, restarted) in reports {
            let (speed, total) = agent.report(new, 2_000);
            let interval = if tally.is_none() { Interval::First } else { usual(2_000) };
            let through = count(tally, speed, total, interval);
            let again = count(other, speed, total, interval);
            prop_assert_eq!((through.gap, through.last), (again.gap, again.last));
            tally = through.tally;
            other = again.tally;
            if restarted {
                other = other.map(|tally: Tally| Tally::restored(tally.counted));
            }
        }
    }

    /// Whatever a total stands for: one that comes again after a restart is no new
    /// begin, also where all of its step was counted.
    #[test]
    fn the_same_total_after_a_restart_is_no_new_begin(steps in 0_u64..20_000_000) {
        let total = float(steps) / STEPS_PER_GIB;
        let before = Some(Tally { reported: total, counted: Step::of(total).high });
        let after = before.map(|tally| Tally::restored(tally.counted));
        let (through, again) = [before, after].map(|tally| count(tally, 1e4, total, usual(2_000))).into();
        prop_assert_eq!((through.gap, through.last), (again.gap, again.last));
    }

    /// Steady traffic looks steady: small steps of the total make no peaks.
    #[test]
    fn steady_traffic_is_shown_steady(speed in 20_000_u64..200_000_000, jitter in 0_u64..80) {
        let mut agent = Agent { total: 3_333_333_333 };
        let (told, total) = agent.report(speed * 2, 2_000);
        let mut tally = count(None, told, total, Interval::First).tally;
        for n in 0..300 {
            let (told, total) = agent.report(speed * 2, 2_000);
            let elapsed = if n % 2 == 0 { 2_000 + jitter } else { 2_000 - jitter };
            let counted = count(tally, told, total, usual(elapsed));
            tally = counted.tally;
            let seen = counted.last * 1000 / elapsed;
            // Within the agent's own rounding and the jitter of the network.
            prop_assert!(seen <= speed + speed / 10 + 300_000, "{} of {}", seen, speed);
        }
    }

    #[test]
    fn no_figures_break_it(
        counted in prop::option::of(any::<u64>()),
        speed in 0.0..1e15_f64,
        total in -1e10..1e10_f64,
        elapsed in prop::option::of(any::<u64>()),
    ) {
        let interval = Interval::after(elapsed, 2_000);
        let result = count(counted.map(Tally::restored), speed, total, interval);
        prop_assert!(interval.last_ms() >= 1);
        let _sum = result.gap.checked_add(result.last);
    }
}

#[test]
fn the_first_report_counts_its_own_interval_alone() {
    let first = count(None, MIB, 1_500.0, Interval::First);
    assert_eq!((first.gap, first.last), (0, 2 * 1_048_576));
    assert_eq!(first.tally.map(|tally| rounded(tally.counted)), Some(1_500.0));
}

#[test]
fn a_total_that_falls_begins_anew_and_nothing_is_counted_twice() {
    let before = Some(Tally::begin(500.0));
    let fallen = count(before, 10.0 * MIB, 0.001, usual(2_000));
    assert!(fallen.last <= 3 * HALF_STEP + 5, "not more than the new total: {}", fallen.last);
    let restored = count(before, MIB, 480.0, usual(2_000));
    assert_eq!(restored.last, 2 * 1_048_576, "an older state brings no traffic");
    let next = count(restored.tally, MIB, 480.002, usual(2_000));
    assert_eq!(next.last, 2 * 1_048_576);
}

#[test]
fn a_negative_total_counts_nothing_and_neither_does_the_way_back_up() {
    let negative = count(Some(Tally::begin(500.0)), 0.0, -1.0, usual(2_000));
    assert_eq!((negative.gap, negative.last, negative.tally), (0, 0, None));
    let back = count(negative.tally, 0.0, 500.0, usual(2_000));
    assert_eq!((back.gap, back.last), (0, 0));
}

#[test]
fn an_outage_is_counted_in_its_gap() {
    let before = Some(Tally::begin(10.0));
    let back = count(before, MIB, 11.0, usual(62_000));
    assert_eq!(usual(62_000), Interval::Gap { before_ms: 60_000, last_ms: 2_000 });
    assert_eq!(back.last, 2 * 1_048_576);
    assert_eq!(back.gap + back.last, 1_073_741_824);
}

#[test]
fn a_report_that_was_held_up_makes_no_peak() {
    let mib = 1_048_576;
    let late = count(Some(Tally::begin(10.0)), 100.0 * MIB, 10.195, usual(3_900));
    let hasty = count(late.tally, 100.0 * MIB, 10.391, usual(100));
    assert!(hasty.last <= 10 * mib + 1, "{}", hasty.last);
    let next = count(hasty.tally, 100.0 * MIB, 10.586, usual(2_000));
    let sum = late.last + hasty.last + next.last;
    assert!(sum.abs_diff(600 * mib) <= 2 * mib, "nothing is lost: {sum}");
}

#[test]
fn a_client_without_totals_is_counted_by_its_speed() {
    let first = count(None, MIB, 0.0, Interval::First);
    let second = count(first.tally, 3.0 * MIB, 0.0, usual(2_000));
    assert_eq!(second.last, 6 * 1_048_576);
}

#[test]
fn a_slow_agent_has_no_gaps() {
    assert_eq!(Interval::after(Some(60_000), 60_000), Interval::Usual(60_000));
    assert_eq!(Interval::after(Some(14_000), 2_000), Interval::Usual(14_000));
}
