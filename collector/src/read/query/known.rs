//! Volumes of a few services, each for itself: what is remembered of them, what
//! was joined since, and what is not joined yet.

use futures_util::future::try_join_all;
use jiff::Timestamp;
use tokio::try_join;

use super::{BucketRow, Pool, Range, ReadError, buckets, columns, pool::AT_ONCE};
use crate::{
    bucket::{HOUR_MS, bucket_of},
    level::Level,
    read::past::{Look, Stretch, Whose},
    store::list,
};

/// Younger than this nothing is remembered: parts are joined into it all the time.
const SETTLED_MS: i64 = HOUR_MS;
/// Services are asked for together where no more than this is asked of them: of a
/// longer time DuckDB reads the blocks of all services.
pub(super) const TOGETHER_MS: i64 = 12 * HOUR_MS;

/// Joined volumes that are to be read.
#[derive(Debug, PartialEq, Eq)]
struct Ask {
    services: Vec<i32>,
    range: Range,
}

impl Pool {
    /// The buckets of some services in a range, those of a service together and in the
    /// order of time; `None` where they are being joined meanwhile.
    pub(super) async fn known(
        &self,
        services: &[i32],
        range: Range,
        level: Level,
    ) -> Result<Option<Vec<BucketRow>>, ReadError> {
        // Now: what is spread for this question is often joined right after.
        self.caught_up().await;
        let whose: Vec<_> = services.iter().copied().map(Whose::Service).collect();
        let Some(look) = self.past.look(level, &whose, range.from.as_millisecond()) else {
            return Ok(None);
        };
        let mut services = services.to_vec();
        services.sort_unstable();
        let joined = asks(&services, range, &look)
            .into_iter()
            .map(|ask| self.rows_of(format!("FROM {}", level.table()), ask));
        let recent = Ask { services: services.clone(), range };
        let recent = self.rows_of(level.recent(), recent);
        let (joined, recent) = try_join!(try_join_all(joined), recent)?;
        // Those that are read together come after the others.
        let joined = columns::joined(joined.into_iter().flatten().collect());
        let found = Found { look: &look, joined, recent };
        let (mut rows, mut longer) = (Vec::new(), Vec::new());
        for service in services {
            found.add(service, range, &mut rows);
            longer.extend(found.longer(Whose::Service(service), range));
        }
        Ok(self.past.remember(&look, longer).then_some(rows))
    }

    async fn rows_of(&self, source: String, ask: Ask) -> Result<Vec<BucketRow>, ReadError> {
        let services = list(&ask.services);
        let sql = buckets::sql(&source, &services);
        self.run(move |c| buckets::select(c, &sql, ask.range).map(columns::joined)).await
    }
}

/// Until when volumes are remembered.
fn settled() -> i64 {
    bucket_of(Timestamp::now().as_millisecond(), HOUR_MS).saturating_sub(SETTLED_MS)
}

/// What is to be read after what is remembered, up to the end of a range; `None`: all of
/// it is remembered.
pub(super) fn rest(service: i32, range: Range, look: &Look) -> Option<Range> {
    let until = look.known.get(&service).map(|known| known.until_ms);
    let from = until.and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(range.from);
    (from < range.to).then_some(Range { from, ..range })
}

/// What is to be read of joined volumes.
fn asks(services: &[i32], range: Range, look: &Look) -> Vec<Ask> {
    let rests = services.iter().filter_map(|&service| Some((service, rest(service, range, look)?)));
    let (short, long): (Vec<_>, Vec<_>) =
        rests.partition(|(_, rest)| rest.length_ms() <= TOGETHER_MS);
    let at_most = AT_ONCE.div_ceil(long.len().max(1));
    let pieces = |(service, rest): (i32, Range)| {
        let pieces = buckets::pieces(rest, look.level.block_ms(), at_most).into_iter();
        pieces.map(move |range| Ask { services: vec![service], range })
    };
    let mut asks: Vec<Ask> = long.into_iter().flat_map(pieces).collect();
    if let Some(from) = short.iter().map(|(_, rest)| rest.from).min() {
        let services = short.into_iter().map(|(service, _)| service).collect();
        asks.push(Ask { services, range: Range { from, ..range } });
    }
    asks
}

/// What is known of some services, in the order of services and time.
pub(super) struct Found<'a> {
    pub(super) look: &'a Look,
    /// What was read of joined volumes.
    pub(super) joined: Vec<BucketRow>,
    /// What is not joined yet.
    pub(super) recent: Vec<BucketRow>,
}

impl Found<'_> {
    /// Adds the rows of a service.
    pub(super) fn add(&self, service: i32, range: Range, rows: &mut Vec<BucketRow>) {
        let (from_ms, to_ms) = (range.from.as_millisecond(), range.to.as_millisecond());
        let begin = rows.len();
        if let Some(known) = self.look.known.get(&service) {
            rows.extend_from_slice(known.between(from_ms, to_ms));
        }
        let since_ms = self.since_ms(service, from_ms).max(from_ms);
        rows.extend_from_slice(of(&self.joined, service, since_ms, to_ms));
        let recent = of(&self.recent, service, from_ms, to_ms);
        let Some(first) = recent.first() else { return };
        // What came late joins the buckets that are there.
        let own = rows.get(begin..).unwrap_or_default();
        let before = begin + own.partition_point(|row| row.start_ms < first.start_ms);
        let mut tail = rows.split_off(before);
        tail.extend_from_slice(recent);
        rows.append(&mut columns::joined(tail));
    }

    /// What is to be remembered of somebody from now on, where that is more.
    pub(super) fn longer(&self, whose: Whose, range: Range) -> Option<(Whose, Stretch)> {
        let service = whose.number();
        let from_ms = range.from.as_millisecond();
        let since_ms = self.since_ms(service, from_ms);
        let until_ms = settled().min(range.to.as_millisecond());
        let more = of(&self.joined, service, since_ms, until_ms);
        let stretch = || match self.look.known.get(&service) {
            Some(known) => known.and(until_ms, more),
            None => Stretch::new(from_ms, until_ms, more.to_vec()),
        };
        (until_ms > since_ms).then(|| (whose, stretch()))
    }

    /// From when on what was read of a service is not remembered: those that are read
    /// together are read from the earliest such moment on.
    fn since_ms(&self, service: i32, from_ms: i64) -> i64 {
        self.look.known.get(&service).map_or(from_ms, |known| known.until_ms)
    }
}

/// A service's rows from one moment up to another, of rows in the order of services
/// and time.
fn of(rows: &[BucketRow], service: i32, from_ms: i64, to_ms: i64) -> &[BucketRow] {
    let at = |ms| rows.partition_point(|row| (row.service_no, row.start_ms) < (service, ms));
    rows.get(at(from_ms)..at(to_ms)).unwrap_or_default()
}
