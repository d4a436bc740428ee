//! What the page asks of the store.

use std::{collections::BTreeSet, time::Duration};

use komandorr_collector::read::{HourProfile, Scope, Summary, TopTalkers};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::{
    Question,
    talkers::SHOWN,
    week::{self, Weeks},
};
use crate::{
    error::Failure,
    site::{Shared, Site},
};

/// How long after the start the page is read for the first time.
const FIRST_AFTER: Duration = Duration::from_secs(2);
/// How often is looked whether that is still in memory: agents that were away for hours
/// bring what changes it.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How often it is read again in any case, so that little is new to whoever looks.
const READ_EVERY: Duration = Duration::from_hours(1);

/// Of how many groups at most: each takes what a look at it does.
const MOST_GROUPS: usize = 16;

/// All that the page shows.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) profile: HourProfile,
    pub(super) summary: Summary,
    pub(super) week: Weeks,
    pub(super) talkers: TopTalkers,
}

impl Answers {
    pub(super) async fn read(site: &Site, question: &Question) -> Result<Self, Failure> {
        let Question { scope, weeks, range, now } = question;
        let reader = &site.app.reader;
        let profile = async { Ok::<_, Failure>(reader.hour_profile(scope, *weeks, *now).await?) };
        let summary = async { Ok::<_, Failure>(reader.summary(scope, *range).await?) };
        let week = week::read(site, scope, *now);
        let talkers = async { Ok(reader.top_talkers(scope, *range, SHOWN).await?) };
        let (profile, summary, week, talkers) = tokio::try_join!(profile, summary, week, talkers)?;
        Ok(Self { profile, summary, week, talkers })
    }
}

/// Reads what the page shows of the whole fleet and of its groups, until `stop`: the
/// weeks of their top talkers are more than one who waits for a page should wait for, and
/// are remembered.
pub(crate) async fn keep_ready(site: Shared, stop: CancellationToken) {
    let mut due = interval_at(Instant::now() + FIRST_AFTER, LOOK_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let in_memory = || site.app.reader.volumes_in_memory();
    let mut last: Option<(Instant, usize)> = None;
    let mut ready = BTreeSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = due.tick() => {}
        }
        if last.is_some_and(|(at, count)| at.elapsed() < READ_EVERY && in_memory() >= count) {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = read_ahead(&site, &mut ready) => {}
        }
        last = Some((Instant::now(), in_memory()));
    }
}

/// The fleet, the groups that are `ready`, and more of them while there is room.
async fn read_ahead(site: &Site, ready: &mut BTreeSet<String>) {
    read_usual(site, Scope::All).await;
    let mut groups = site.app.registry.groups();
    ready.retain(|name| groups.contains(name));
    groups.sort_by_key(|name| !ready.contains(name));
    for name in groups.into_iter().take(MOST_GROUPS) {
        if ready.contains(&name) || site.app.reader.has_room_in_memory() {
            read_usual(site, Scope::Group(name.clone())).await;
            ready.insert(name);
        }
    }
}

async fn read_usual(site: &Site, scope: Scope) {
    let Ok(question) = Question::usual(scope) else { return };
    if Answers::read(site, &question).await.is_err() {
        // Whoever looks is told why.
        tracing::debug!(of = ?question.scope, "the analytics could not be read ahead");
    }
}
