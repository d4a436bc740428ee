//! Several services together. Of all of them sums are kept, of some they are added up;
//! but for buckets to which parts came that are not joined yet: these are summed anew.

use std::slice;

use duckdb::Connection;
use futures_util::future::try_join_all;
use tokio::try_join;

use super::{
    BucketRow, Pool, Range, ReadError,
    adder::Adder,
    buckets::{self, FEW, Which, pieces, select},
    columns,
    known::{Found, TOGETHER_MS, rest},
    pool::AT_ONCE,
    row::SUM,
    within,
};
use crate::{
    level::Level,
    read::history::MANY_ROWS,
    store::{instant, list},
};

/// Buckets to which parts came, by their starts in order, and what they add up to.
type Touched = (Vec<i64>, Vec<BucketRow>);

impl Pool {
    /// The buckets of some services together, without what is remembered of them.
    pub(super) async fn stored_sum(
        &self,
        services: &Which,
        range: Range,
        level: Level,
    ) -> Result<Vec<BucketRow>, ReadError> {
        let shares = shares(services, range, level).into_iter().map(|(services, range)| {
            self.view(move |connection| {
                let touched = touched(connection, range, level, &services)?;
                Ok(in_place_of(kept(connection, range, level, &services)?, touched))
            })
        });
        let sums = try_join_all(shares).await?;
        Ok(columns::added(sums.into_iter().flatten().collect()))
    }

    /// The same with what is remembered; `None` where that changes meanwhile.
    pub(super) async fn known_sum(
        &self,
        services: &Which,
        range: Range,
        level: Level,
    ) -> Result<Option<Vec<BucketRow>>, ReadError> {
        self.caught_up().await;
        let whose = services.whose();
        let look = self.past.look(level, slice::from_ref(&whose), range.from.as_millisecond());
        let Some(look) = look else { return Ok(None) };
        let shares = rest(SUM, range, &look).map(|rest| shares(services, rest, level));
        let kept = shares.into_iter().flatten().map(|(services, range)| {
            self.run(move |connection| kept(connection, range, level, &services))
        });
        let which = services.clone();
        let touched = self.view(move |connection| touched(connection, range, level, &which));
        let (kept, touched) = try_join!(try_join_all(kept), touched)?;
        let joined = columns::added(kept.into_iter().flatten().collect());
        let found = Found { look: &look, joined, recent: Vec::new() };
        let mut rows = Vec::new();
        found.add(SUM, range, &mut rows);
        let longer = found.longer(whose, range).into_iter().collect();
        let still = self.past.remember(&look, longer);
        Ok(still.then(|| in_place_of(rows, touched)))
    }
}

/// What is added up at once: shares of the services, pieces of the range where these are
/// fewer.
fn shares(services: &Which, range: Range, level: Level) -> Vec<(Which, Range)> {
    let shares = match services {
        Which::Some(numbers) if range.length_ms() > TOGETHER_MS => {
            let each = numbers.len().div_ceil(AT_ONCE).max(1);
            // Neighbours in the file.
            let mut numbers = numbers.clone();
            numbers.sort_unstable();
            numbers.chunks(each).map(|share| Which::Some(share.to_vec())).collect()
        }
        _ => vec![services.clone()],
    };
    let ranges = pieces(range, level.block_ms(), AT_ONCE.div_ceil(shares.len().max(1)));
    let of = |which: Which| ranges.iter().map(move |&range| (which.clone(), range));
    shares.into_iter().flat_map(of).collect()
}

/// Sums without what is not joined yet. DuckDB hands out a whole answer at once, so that
/// some services are asked for after others.
fn kept(
    connection: &Connection,
    range: Range,
    level: Level,
    services: &Which,
) -> duckdb::Result<Vec<BucketRow>> {
    if let (Which::All(_), Some(sums)) = (services, level.fleet()) {
        let sql = include_str!("../../sql/fleet.sql").replace("{fleet}", sums);
        return select(connection, &sql, range).map(columns::joined);
    }
    let source = format!("FROM {}", level.table());
    let numbers = services.numbers();
    let rows_of_one = level.rows_between(range.from.as_millisecond(), range.to.as_millisecond());
    let one_by_one = numbers.len() <= FEW && range.length_ms() > TOGETHER_MS;
    let at_once = if one_by_one { 1 } else { (MANY_ROWS / AT_ONCE / rows_of_one).max(1) };
    let (mut adder, mut rows) = (Adder::new(range, level), Vec::new());
    for numbers in numbers.chunks(at_once) {
        let sql = buckets::sql(&source, &list(numbers));
        for batch in connection.prepare(&within(&sql, range))?.query_arrow([])? {
            columns::append(&batch, &mut rows)?;
            rows.drain(..).for_each(|row| adder.add(&row));
        }
    }
    Ok(adder.rows())
}

fn touched(
    connection: &Connection,
    range: Range,
    level: Level,
    services: &Which,
) -> duckdb::Result<Touched> {
    let services = match services {
        Which::All(_) => "SELECT service_no FROM service".to_owned(),
        Which::Some(_) => services.list(),
    };
    let sql = include_str!("../../sql/touched.sql")
        .replace("{recent}", &level.recent())
        .replace("{services}", &services);
    let mut statement = connection.prepare(&within(&sql, range))?;
    let starts = statement.query_map([], |row| row.get(0))?;
    let starts: Vec<i64> = starts.collect::<duckdb::Result<_>>()?;
    if starts.is_empty() {
        return Ok(Touched::default());
    }
    // By name: a condition that DuckDB must work out first reads every block.
    let buckets = list(&starts.iter().map(|&ms| instant(ms)).collect::<Vec<_>>());
    let source = format!("FROM ({}) WHERE bucket IN ({buckets})", level.source());
    let sql = include_str!("../../sql/summed.sql")
        .replace("{source}", &source)
        .replace("{services}", &services);
    Ok((starts, select(connection, &sql, range)?))
}

/// Rows of which those that were touched are as they are summed anew.
fn in_place_of(mut rows: Vec<BucketRow>, (starts, anew): Touched) -> Vec<BucketRow> {
    rows.retain(|row| starts.binary_search(&row.start_ms).is_err());
    rows.extend(anew);
    columns::joined(rows)
}
