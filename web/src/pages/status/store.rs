//! What the store holds, asked now and then: the answer looks at every row.

use std::time::Duration;

use jiff::Timestamp;
use komandorr_collector::read::{Holdings, Kept};
use tokio::{sync::Mutex, time::Instant};

use crate::{site::Site, units::Volume};

/// How long an answer is good for.
const GOOD_FOR: Duration = Duration::from_mins(1);

/// The last answer.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Mutex<Option<(Instant, Holdings)>>);

/// Size and rows.
#[derive(Debug)]
pub(super) struct StoreView {
    pub(super) size: Volume,
    pub(super) rows: [Row; 3],
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) rows: u64,
    pub(super) oldest: String,
}

/// `None`: the store does not answer; the page has more to tell.
pub(super) async fn view(site: &Site, now: Timestamp) -> Option<StoreView> {
    let holdings = site.holdings.get(site).await?;
    let row = |what, kept: Kept| Row {
        what,
        rows: kept.rows,
        oldest: kept.oldest.map_or_else(|| "–".to_owned(), |at| site.clock.moment(at, now)),
    };
    Some(StoreView {
        size: Volume::new(holdings.bytes),
        rows: [
            row("Samples as they came", holdings.samples),
            row("Volumes of five minutes", holdings.five_minutes),
            row("Volumes of an hour", holdings.hours),
        ],
    })
}

impl Remembered {
    async fn get(&self, site: &Site) -> Option<Holdings> {
        let mut last = self.0.lock().await;
        if let Some((_, holdings)) = last.filter(|(asked, _)| asked.elapsed() < GOOD_FOR) {
            return Some(holdings);
        }
        match site.app.reader.holdings().await {
            Ok(holdings) => {
                *last = Some((Instant::now(), holdings));
                Some(holdings)
            }
            Err(error) => {
                tracing::error!(%error, "the store does not say what it holds");
                None
            }
        }
    }
}
