//! How much of a range samples cover, and where they are missing.

use jiff::Timestamp;
use komandorr_collector::read::Summary;

use crate::{
    chart::{Chart, Gap},
    site::Site,
    units::{Percent, Span},
};

/// The strip below the chart, and the sentence below the strip.
#[derive(Debug)]
pub(super) struct Coverage {
    pub(super) holes: Vec<(f64, f64)>,
    pub(super) sentence: String,
}

pub(super) fn of(site: &Site, chart: &Chart, summary: &Summary, now: Timestamp) -> Coverage {
    let holes = chart.gaps.iter().map(|gap| (gap.x, gap.width)).collect();
    let share = Percent::new(summary.coverage.clamp(0.0, 1.0) * 100.0);
    let gaps = match &*chart.gaps {
        [] => "No gap.".to_owned(),
        [gap] => format!("One gap: {}.", told(site, gap, now)),
        [..] => {
            let longest = chart.gaps.iter().max_by_key(|gap| length(gap));
            let told = longest.map(|gap| told(site, gap, now)).unwrap_or_default();
            format!("{} gaps, the longest {told}.", chart.gaps.len())
        }
    };
    Coverage { holes, sentence: format!("Samples cover {share} % of this range. {gaps}") }
}

fn length(gap: &Gap) -> i64 {
    gap.to.as_second() - gap.from.as_second()
}

fn told(site: &Site, gap: &Gap, now: Timestamp) -> String {
    let (from, to) = (site.clock.moment(gap.from, now), site.clock.moment(gap.to, now));
    format!("{from} to {to} ({})", Span::seconds(length(gap)))
}
