//! Who moves most, with the 95th percentiles of each.

use komandorr_collector::read::{Range, Scope, Summary, Talker};

use crate::{
    error::Failure,
    site::Site,
    units::{Percent, Rate, Tagged, Volume},
};

/// How many are shown.
const SHOWN: usize = 8;

/// The busiest services of a scope.
#[derive(Debug)]
pub(super) struct Talkers {
    /// How many moved anything.
    all: usize,
    pub(super) busiest: Vec<Figures>,
}

/// A service with its figures over the range.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) talker: Talker,
    /// Percent of everything that was moved.
    pub(super) share: f64,
    pub(super) summary: Summary,
}

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

/// The busiest services of a scope over a range.
pub(super) async fn read(site: &Site, scope: &Scope, range: Range) -> Result<Talkers, Failure> {
    let reader = &site.app.reader;
    let all = reader.top_talkers(range, site.app.registry.len().max(1)).await?;
    let within = |id: &str| match scope {
        Scope::All => true,
        Scope::One(one) => one.as_str() == id,
        Scope::Several(ids) => ids.iter().any(|one| one.as_str() == id),
        Scope::Group(name) => {
            site.app.registry.get(id).is_some_and(|s| s.group.as_ref() == Some(name))
        }
    };
    let talkers: Vec<_> = all.into_iter().filter(|t| within(t.service.as_str())).collect();
    let sum = talkers.iter().fold(0u64, |sum, talker| sum.saturating_add(talker.volume.total()));
    let all = talkers.len();
    let shown: Vec<_> = talkers.into_iter().take(SHOWN).collect();
    let ids = Scope::Several(shown.iter().map(|talker| talker.service.clone()).collect());
    let summaries = reader.summaries(&ids, range).await?;
    let mut busiest = Vec::new();
    for (talker, (_, summary)) in shown.into_iter().zip(summaries) {
        let share = percent(talker.volume.total(), sum);
        busiest.push(Figures { talker, share, summary });
    }
    Ok(Talkers { all, busiest })
}

impl Talkers {
    /// How many of how many are listed.
    pub(super) fn told(&self) -> String {
        match (self.busiest.len(), self.all) {
            (0, _) => "No samples in this range.".to_owned(),
            (shown, all) if shown == all => format!("All {all} with traffic."),
            (shown, all) => format!("The busiest {shown} of {all} with traffic."),
        }
    }

    /// The rows of the two tables.
    pub(super) fn rows(&self) -> Vec<TalkerRow> {
        let figures = &self.busiest;
        let longest = figures.first().map_or(0, |first| first.talker.volume.total());
        let row = |Figures { talker, share, summary }: &Figures| TalkerRow {
            id: talker.service.to_string(),
            name: talker.name.clone(),
            volume: Volume::new(talker.volume.total()).tagged(),
            share: Percent::new(*share),
            up: percent(talker.volume.up_bytes, longest),
            both: percent(talker.volume.total(), longest),
            up_p95: Rate::known(summary.up_p95_bytes_per_second).tagged(),
            down_p95: Rate::known(summary.down_p95_bytes_per_second).tagged(),
            peak: Rate::known(summary.up_peak.map(|peak| peak.bytes_per_second)).tagged(),
        };
        figures.iter().map(row).collect()
    }
}
