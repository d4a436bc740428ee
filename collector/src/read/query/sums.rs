//! All services together: their sums are kept, but for buckets to which parts came
//! since; these are summed anew.

use duckdb::Connection;
use futures_util::future::try_join_all;
use tokio::try_join;

use super::{
    BucketRow, Pool, Range, ReadError,
    buckets::{pieces, select, summed},
    columns,
    known::{Found, LEVEL, rest},
    pool::AT_ONCE,
    row::SUM,
    within,
};
use crate::{
    level::Level,
    store::{instant, list},
};

/// Buckets to which parts came, by their starts in order, and what they add up to.
type Touched = (Vec<i64>, Vec<BucketRow>);

impl Pool {
    /// The sums of a level; two questions, what is kept and what came since.
    pub(super) async fn fleet(
        &self,
        range: Range,
        level: Level,
        sums: &'static str,
    ) -> Result<Vec<BucketRow>, ReadError> {
        self.view(move |connection| {
            let touched = touched(connection, range, level)?;
            Ok(in_place_of(kept(connection, range, sums)?, touched))
        })
        .await
    }

    /// Sums of five minutes, with what is remembered of them; `None` where they change
    /// meanwhile.
    pub(super) async fn known_fleet(
        &self,
        range: Range,
    ) -> Result<Option<Vec<BucketRow>>, ReadError> {
        self.caught_up().await;
        let look = self.past.look(&[SUM], range.from.as_millisecond());
        let (Some(look), Some(sums)) = (look, LEVEL.fleet()) else { return Ok(None) };
        let rest = rest(SUM, range, &look);
        let pieces = rest.map(|rest| pieces(rest, LEVEL.block_ms(), AT_ONCE)).unwrap_or_default();
        let kept = pieces
            .into_iter()
            .map(|piece| self.run(move |c| kept(c, piece, sums).map(columns::joined)));
        let touched = self.view(move |c| touched(c, range, LEVEL));
        let (kept, touched) = try_join!(try_join_all(kept), touched)?;
        let joined = kept.into_iter().flatten().collect();
        let found = Found { look: &look, joined, recent: Vec::new() };
        let mut rows = Vec::new();
        found.add(SUM, range, &mut rows);
        let longer = found.longer(SUM, range).into_iter().collect();
        let still = self.past.remember(&look, longer);
        Ok(still.then(|| in_place_of(rows, touched)))
    }
}

fn kept(connection: &Connection, range: Range, sums: &str) -> duckdb::Result<Vec<BucketRow>> {
    let sql = include_str!("../../sql/fleet.sql").replace("{fleet}", sums);
    select(connection, &sql, range)
}

fn touched(connection: &Connection, range: Range, level: Level) -> duckdb::Result<Touched> {
    let sql = include_str!("../../sql/touched.sql").replace("{recent}", &level.recent());
    let mut statement = connection.prepare(&within(&sql, range))?;
    let starts = statement.query_map([], |row| row.get(0))?;
    let starts: Vec<i64> = starts.collect::<duckdb::Result<_>>()?;
    if starts.is_empty() {
        return Ok(Touched::default());
    }
    // By name: a condition that DuckDB must work out first reads every block.
    let buckets = list(&starts.iter().map(|&ms| instant(ms)).collect::<Vec<_>>());
    let source = format!("FROM ({}) WHERE bucket IN ({buckets})", level.source());
    let rows = summed(connection, range, &source, "SELECT service_no FROM service")?;
    Ok((starts, rows))
}

/// Rows of which those that were touched are as they are summed anew.
fn in_place_of(mut rows: Vec<BucketRow>, (starts, anew): Touched) -> Vec<BucketRow> {
    rows.retain(|row| starts.binary_search(&row.start_ms).is_err());
    rows.extend(anew);
    columns::joined(rows)
}
