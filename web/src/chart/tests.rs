#![allow(clippy::cast_precision_loss, reason = "small numbers")]

use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn plot<'a>(zone: &'a TimeZone, slots: &'a [Slot]) -> Plot<'a> {
    Plot {
        from: at(0),
        to: at(1000),
        zone,
        height: 280,
        slots,
        tolerance: 1.0,
        expected: Some((at(0), at(1000))),
        peaks: [None, None],
        percentile: None,
    }
}

fn slot(start: f64, end: f64, up: f64, down: f64) -> Slot {
    Slot { start, end, up, down }
}

#[test]
fn a_gap_ends_the_line_and_leaves_a_band() {
    let slots = [slot(0.0, 400.0, 1e6, 1e6), slot(600.0, 1000.0, 2e6, 0.0)];
    let chart = Chart::new(&plot(&TimeZone::UTC, &slots));
    assert_eq!(chart.up.line.matches('M').count(), 2);
    assert_eq!(chart.up.area.matches('Z').count(), 2);
    let [gap] = &*chart.gaps else { panic!("{:?}", chart.gaps) };
    assert_eq!((gap.from, gap.to, gap.labelled), (at(400), at(600), true));
    assert!((gap.x - 40.0).abs() < 1e-9 && (gap.width - 20.0).abs() < 1e-9);
}

#[test]
fn time_before_the_first_sample_ever_is_no_gap() {
    let slots = [slot(500.0, 1000.0, 1e6, 1e6)];
    let chart =
        Chart::new(&Plot { expected: Some((at(500), at(1000))), ..plot(&TimeZone::UTC, &slots) });
    assert!(chart.gaps.is_empty());
    assert_eq!(chart.begin, Some(50.0));
    let whole = Chart::new(&plot(&TimeZone::UTC, &slots));
    assert_eq!((whole.begin, whole.gaps.len()), (None, 1));
}

#[test]
fn a_peak_above_the_means_is_inside_the_picture() {
    let slots = [slot(0.0, 1000.0, 1e6, 1e6)];
    let peaks = [Some((at(700), 5e6)), None];
    let chart = Chart::new(&Plot { peaks, ..plot(&TimeZone::UTC, &slots) });
    let peak = chart.peaks[0].as_ref().unwrap();
    assert!(peak.y >= f64::from(TOP) && peak.y < chart.zero_px() && peak.left);
}

#[test]
fn nothing_to_show_is_an_empty_chart_with_axes() {
    let chart = Chart::new(&plot(&TimeZone::UTC, &[]));
    assert!(chart.is_empty() && !chart.grid.is_empty());
    assert_eq!(chart.gaps.len(), 1);
}

proptest! {
    /// However many slots there are, wherever they are missing.
    #[test]
    fn the_highest_points_of_both_directions_are_drawn(
        values in prop::collection::vec((0.0..1e9f64, 0.0..1e9f64, prop::bool::weighted(0.9)), 1..4000),
    ) {
        let length = 1000.0 / values.len() as f64;
        let slots: Vec<Slot> = values.iter().enumerate().filter(|(_, (.., there))| *there)
            .map(|(i, (up, down, _))| {
                let start = i as f64 * length;
                slot(start, start + length, *up, *down)
            }).collect();
        let chart = Chart::new(&Plot { tolerance: length / 2.0, ..plot(&TimeZone::UTC, &slots) });
        let ys = |line: &str| -> Vec<f64> {
            line.split(['M', ' ']).filter(|pair| !pair.is_empty())
                .map(|pair| pair.split_once(',').unwrap().1.parse().unwrap()).collect()
        };
        let highest = |of: fn(&Slot) -> f64| slots.iter().map(of).fold(0.0, f64::max);
        let (up, down) = (highest(|s| s.up), highest(|s| s.down));
        let top = ys(&chart.up.line).into_iter().fold(chart.zero, f64::min);
        let bottom = ys(&chart.down.line).into_iter().fold(chart.zero, f64::max);
        prop_assert!(((chart.zero - top) * chart.unit - up).abs() <= chart.unit);
        prop_assert!(((bottom - chart.zero) * chart.unit - down).abs() <= chart.unit);
    }

    #[test]
    fn values_can_be_read_back_from_the_path(values in prop::collection::vec(0.0..1e9f64, 1..200)) {
        let slots: Vec<Slot> = values.iter().enumerate()
            .map(|(i, v)| slot(i as f64 * 5.0, i as f64 * 5.0 + 5.0, *v, 0.0)).collect();
        let chart = Chart::new(&plot(&TimeZone::UTC, &slots));
        let highest = values.iter().copied().fold(0.0, f64::max);
        let ys = chart.up.line.trim_start_matches('M').split(' ')
            .map(|p| p.split_once(',').unwrap().1.parse::<f64>().unwrap());
        let top = ys.fold(f64::MAX, f64::min);
        let read = (chart.zero - top) * chart.unit;
        prop_assert!((read - highest).abs() <= chart.unit, "{read} {highest}");
    }
}
