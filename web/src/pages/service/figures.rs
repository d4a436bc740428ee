//! The figures of a range, and all of it in words.

use jiff::Timestamp;
use komandorr_collector::{
    read::{Peak, Summary},
    registry::Service,
};

use super::coverage::Coverage;
use crate::{
    site::Site,
    units::{Rate, Tagged, Volume},
};

/// The figures of one direction.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) class: &'static str,
    pub(super) arrow: &'static str,
    pub(super) word: &'static str,
    pub(super) volume: Tagged,
    pub(super) mean: Tagged,
    pub(super) peak: Tagged,
    pub(super) peak_at: String,
    pub(super) p95: Tagged,
}

pub(super) fn of(site: &Site, summary: &Summary, up: bool, now: Timestamp) -> Figures {
    let (class, arrow, word) =
        if up { ("up", "↑", "Upload") } else { ("down", "↓", "Download") };
    let (bytes, peak) = if up {
        (summary.up_bytes, summary.up_peak)
    } else {
        (summary.down_bytes, summary.down_peak)
    };
    let (mean, p95) = if up {
        (summary.up_mean_bytes_per_second, summary.up_p95_bytes_per_second)
    } else {
        (summary.down_mean_bytes_per_second, summary.down_p95_bytes_per_second)
    };
    Figures {
        class,
        arrow,
        word,
        volume: Volume::new(bytes).tagged(),
        mean: Rate::known(mean).tagged(),
        peak: Rate::known(peak.map(|peak| peak.bytes_per_second)).tagged(),
        peak_at: told(site, peak, now),
        p95: Rate::known(p95).tagged(),
    }
}

/// The chart in words.
pub(super) fn in_words(
    site: &Site,
    service: &Service,
    heading: &str,
    coverage: &Coverage,
    summary: &Summary,
    now: Timestamp,
) -> String {
    let direction = |word: &str, mean: Option<u64>, peak: Option<Peak>| {
        let speed = Rate::known(peak.map(|peak| peak.bytes_per_second));
        format!("{word} mean {}, peak {speed} {}", Rate::known(mean), told(site, peak, now))
    };
    format!(
        "{}, {heading}: {}; {}. {} The tables below have the values.",
        service.name,
        direction("upload", summary.up_mean_bytes_per_second, summary.up_peak),
        direction("download", summary.down_mean_bytes_per_second, summary.down_peak),
        coverage.sentence,
    )
}

fn told(site: &Site, peak: Option<Peak>, now: Timestamp) -> String {
    peak.map_or_else(|| "no samples".to_owned(), |peak| site.clock.told(peak.at, now))
}
