//! How much of a range samples cover, and where they are missing. Time before
//! the first sample is neither covered nor a gap: nothing was there to count.

use jiff::Timestamp;
use komandorr_collector::read::Summary;

use crate::{
    chart::{Chart, Gap},
    site::Site,
    units::{Percent, Span},
};

/// A gap's end is told by its length where minutes would hide it, seconds.
const SHORT: i64 = 120;

/// The strip below the chart, and the sentence below the strip.
#[derive(Debug)]
pub(super) struct Coverage {
    /// Where the strip begins, percent of the width.
    pub(super) begin: f64,
    pub(super) holes: Vec<(f64, f64)>,
    pub(super) sentence: String,
}

/// Of a service whose traffic `begins` before, in or after the range.
pub(super) fn of(
    site: &Site,
    chart: &Chart,
    summary: &Summary,
    begins: Option<Timestamp>,
    now: Timestamp,
) -> Coverage {
    let holes = chart.gaps.iter().map(|gap| (gap.x, gap.width)).collect();
    let share = Percent::new(share(summary, begins, now) * 100.0);
    let gaps = match &*chart.gaps {
        [] => "No gap.".to_owned(),
        [gap] => format!("One gap: {}.", told(site, gap, now)),
        [..] => {
            let longest = chart.gaps.iter().max_by_key(|gap| length(gap));
            let told = longest.map(|gap| told(site, gap, now)).unwrap_or_default();
            format!("{} gaps, the longest {told}.", chart.gaps.len())
        }
    };
    let sentence = match begins.filter(|_| chart.begin.is_some()) {
        Some(begins) => format!(
            "The first sample came {}. Samples cover {share} % of the time since. {gaps}",
            site.clock.told(begins, now)
        ),
        None => format!("Samples cover {share} % of this range. {gaps}"),
    };
    Coverage { begin: chart.begin.unwrap_or_default(), holes, sentence }
}

/// The covered part of the time in which there was something to cover.
#[allow(clippy::cast_precision_loss, reason = "milliseconds of centuries fit 53 bits")]
fn share(summary: &Summary, begins: Option<Timestamp>, now: Timestamp) -> f64 {
    let end = summary.to.min(now).as_millisecond();
    let length = |begin: Timestamp| (end - begin.as_millisecond()).max(1) as f64;
    let covered = summary.coverage * length(summary.from);
    let begin = begins.map_or(summary.from, |begins| begins.max(summary.from));
    (covered / length(begin)).clamp(0.0, 1.0)
}

fn length(gap: &Gap) -> i64 {
    gap.to.as_second() - gap.from.as_second()
}

fn told(site: &Site, gap: &Gap, now: Timestamp) -> String {
    let lasted = Span::seconds(length(gap));
    if length(gap) < SHORT {
        return format!("{} for {lasted}", site.clock.told(gap.from, now));
    }
    let (from, to) = (site.clock.moment(gap.from, now), site.clock.moment(gap.to, now));
    format!("{from} to {to} ({lasted})")
}
