//! Who moves most, with the 95th percentiles of each.

use komandorr_collector::read::{Summary, Talker, TopTalkers};

use crate::units::{Percent, Rate, Tagged, Volume};

/// How many are shown.
pub(super) const SHOWN: usize = 8;

#[derive(Debug)]
pub(super) struct TalkerRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) volume: Tagged,
    /// Percent of everything that was moved.
    pub(super) share: Percent,
    /// Width of the bar's upload and its end, in percent of the longest bar.
    pub(super) up: f64,
    pub(super) both: f64,
    pub(super) up_p95: Tagged,
    pub(super) down_p95: Tagged,
    pub(super) peak: Tagged,
}

#[allow(clippy::cast_precision_loss, reason = "shares are shown with one decimal")]
fn percent(part: u64, of: u64) -> f64 {
    part as f64 / of.max(1) as f64 * 100.0
}

/// How much of a whole a service moved, in percent.
pub(super) fn share(of: &Summary, whole: &Summary) -> f64 {
    percent(of.volume().total(), whole.volume().total())
}

/// How many of how many are listed.
pub(super) fn told(talkers: &TopTalkers) -> String {
    match (talkers.busiest.len(), talkers.with_traffic) {
        (0, _) => "No samples in this range.".to_owned(),
        (shown, all) if shown == all => format!("All {all} with traffic."),
        (shown, all) => format!("The busiest {shown} of {all} with traffic."),
    }
}

/// The rows of the two tables; `whole` is of all that are looked at.
pub(super) fn rows(talkers: &TopTalkers, whole: &Summary) -> Vec<TalkerRow> {
    let busiest = &talkers.busiest;
    let longest = busiest.first().map_or(0, |first| first.summary.volume().total());
    let row = |talker: &Talker| {
        let (summary, volume) = (&talker.summary, talker.summary.volume());
        TalkerRow {
            id: talker.service.to_string(),
            name: talker.name.clone(),
            volume: Volume::new(volume.total()).tagged(),
            share: Percent::new(share(summary, whole)),
            up: percent(volume.up_bytes, longest),
            both: percent(volume.total(), longest),
            up_p95: Rate::known(summary.up_p95_bytes_per_second).tagged(),
            down_p95: Rate::known(summary.down_p95_bytes_per_second).tagged(),
            peak: Rate::known(summary.up_peak.map(|peak| peak.bytes_per_second)).tagged(),
        }
    };
    busiest.iter().map(row).collect()
}
