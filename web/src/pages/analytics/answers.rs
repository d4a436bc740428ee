//! What the page asks of the store.

use std::time::Duration;

use komandorr_collector::read::{HourProfile, Summary};
use tokio::time::{Instant, interval_at};
use tokio_util::sync::CancellationToken;

use super::{
    Question,
    talkers::{self, Talkers},
    week::{self, Weeks},
};
use crate::{
    error::Failure,
    site::{Shared, Site},
};

/// How long after the start the page is read for the first time: until then agents
/// come back, and what they kept is stored.
const READY_AFTER: Duration = Duration::from_secs(2);
/// How often it is read again, so that little is new to whoever looks.
const READY_EVERY: Duration = Duration::from_hours(1);

/// All that the page shows.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) profile: HourProfile,
    pub(super) summary: Summary,
    pub(super) week: Weeks,
    pub(super) talkers: Talkers,
}

impl Answers {
    pub(super) async fn read(site: &Site, question: &Question) -> Result<Self, Failure> {
        let Question { scope, weeks, range, now } = question;
        let reader = &site.app.reader;
        let profile = async { Ok::<_, Failure>(reader.hour_profile(scope, *weeks, *now).await?) };
        let summary = async { Ok::<_, Failure>(reader.summary(scope, *range).await?) };
        let week = week::read(site, scope, *now);
        let talkers = talkers::read(site, scope, *range);
        let (profile, summary, week, talkers) = tokio::try_join!(profile, summary, week, talkers)?;
        Ok(Self { profile, summary, week, talkers })
    }
}

/// Reads what the page of the whole fleet shows, until `stop`: the weeks of its top
/// talkers are more than one who waits for a page should wait for, and are remembered.
pub(crate) async fn keep_ready(site: Shared, stop: CancellationToken) {
    let mut due = interval_at(Instant::now() + READY_AFTER, READY_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = due.tick() => {}
        }
        let Ok(question) = Question::usual() else { return };
        tokio::select! {
            () = stop.cancelled() => return,
            read = Answers::read(&site, &question) => if read.is_err() {
                // Whoever looks is told why.
                tracing::debug!("the analytics could not be read ahead");
            }
        }
    }
}
