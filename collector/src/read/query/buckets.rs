//! Buckets of some services in a range, each for itself or all together.

use duckdb::Connection;
use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::{BucketRow, Pool, Range, ReadError, columns, pool::AT_ONCE, within};
use crate::{
    bucket::bucket_of,
    level::Level,
    read::past::{MOST_OF_ONE, Whose},
    store::list,
};

/// So many services are asked for one by one.
pub(in crate::read) const FEW: usize = 16;

/// How often what is remembered is looked at before all is read: while volumes are joined
/// it cannot be told whether it is still so, but is mostly afterwards.
const TRIES: usize = 2;

/// Whether rows of several services are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::read) enum Grouping {
    Services,
    /// One row a bucket, whose service is [`super::row::SUM`].
    Sum,
}

impl Grouping {
    /// One service keeps its own row; several are summed.
    pub(in crate::read) fn of<T>(services: &[T]) -> Self {
        if services.len() == 1 { Self::Services } else { Self::Sum }
    }
}

/// Services by their numbers.
#[derive(Debug, Clone)]
pub(in crate::read) enum Which {
    /// All that are registered, of which the fleet's sums are kept.
    All(Vec<i32>),
    Some(Vec<i32>),
}

impl Which {
    pub(super) fn is_empty(&self) -> bool {
        self.numbers().is_empty()
    }

    /// As what is remembered of them together.
    pub(super) fn whose(&self) -> Whose {
        match self {
            Self::All(_) => Whose::All,
            Self::Some(numbers) => {
                let mut numbers = numbers.clone();
                numbers.sort_unstable();
                Whose::Several(numbers.into())
            }
        }
    }

    /// As the inside of an SQL list.
    pub(super) fn list(&self) -> String {
        list(self.numbers())
    }

    /// A few one by one: where a list is longer than some numbers DuckDB reads
    /// the blocks of all services and joins the list to them.
    fn apart(&self) -> Vec<Self> {
        if !self.are_few() {
            return vec![self.clone()];
        }
        self.numbers().iter().map(|&number| Self::Some(vec![number])).collect()
    }

    fn are_few(&self) -> bool {
        self.numbers().len() <= FEW
    }

    pub(super) fn numbers(&self) -> &[i32] {
        match self {
            Self::All(numbers) | Self::Some(numbers) => numbers,
        }
    }
}

impl Pool {
    /// The buckets of some services in a range, those of a service together and
    /// in the order of time.
    pub(in crate::read) async fn buckets(
        &self,
        services: Which,
        range: Range,
        level: Level,
        grouping: Grouping,
    ) -> Result<Vec<BucketRow>, ReadError> {
        let (from_ms, to_ms) = (range.from.as_millisecond(), range.to.as_millisecond());
        let rows_of_one = level.rows_between(from_ms, to_ms);
        let rows = rows_of_one * services.numbers().len();
        let tries = match grouping {
            _ if services.is_empty() => 0,
            Grouping::Services if !services.are_few() || rows > MOST_OF_ONE => 0,
            Grouping::Sum if rows_of_one > MOST_OF_ONE => 0,
            // What takes long is read once for nothing at most.
            Grouping::Sum if rows > MOST_OF_ONE => 1,
            Grouping::Services | Grouping::Sum => TRIES,
        };
        for _ in 0..tries {
            let known = match grouping {
                Grouping::Services => self.known(services.numbers(), range, level).await?,
                Grouping::Sum => self.known_sum(&services, range, level).await?,
            };
            if let Some(rows) = known {
                return Ok(rows);
            }
        }
        self.stored_buckets(services, range, level, grouping).await
    }

    /// The same without what is remembered, and not to be remembered. Pieces of a
    /// long range, and single services, are read at once: a file's blocks come sooner
    /// when several are asked for. Each piece, and each share of a sum, is exact at its
    /// own moment.
    pub(in crate::read) async fn stored_buckets(
        &self,
        services: Which,
        range: Range,
        level: Level,
        grouping: Grouping,
    ) -> Result<Vec<BucketRow>, ReadError> {
        if services.is_empty() {
            return Ok(Vec::new());
        }
        if grouping == Grouping::Sum {
            return self.stored_sum(&services, range, level).await;
        }
        // The rows of each of many are to come out together.
        let at_most = if services.are_few() { AT_ONCE } else { 1 };
        let services = services.apart();
        let ranges = pieces(range, level.block_ms(), at_most.div_ceil(services.len()));
        let pieces = services.iter().flat_map(|which| {
            let sql = sql(&level.source(), &which.list());
            let select = move |range| {
                let sql = sql.clone();
                self.run(move |c| select(c, &sql, range).map(columns::joined))
            };
            ranges.iter().copied().map(select)
        });
        let mut pieces = try_join_all(pieces).await?.into_iter();
        let mut rows = pieces.next().unwrap_or_default();
        pieces.for_each(|mut more| rows.append(&mut more));
        Ok(rows)
    }
}

/// The question for the buckets of each service of a list, in no order.
pub(super) fn sql(source: &str, services: &str) -> String {
    include_str!("../../sql/buckets.sql")
        .replace("{source}", source)
        .replace("{services}", services)
}

/// A range in at most so many pieces of whole blocks, about as long as each
/// other.
pub(super) fn pieces(range: Range, block_ms: i64, at_most: usize) -> Vec<Range> {
    let (from_ms, to_ms) = (range.from.as_millisecond(), range.to.as_millisecond());
    let begin_ms = bucket_of(from_ms, block_ms);
    let blocks = to_ms.saturating_sub(begin_ms).saturating_add(block_ms - 1) / block_ms;
    let at_most = i64::try_from(at_most).unwrap_or(1).max(1);
    let length_ms = (blocks + at_most - 1) / at_most * block_ms;
    let ends = (1..at_most).map(|n| begin_ms.saturating_add(n.saturating_mul(length_ms)));
    let inside = ends.take_while(|&end_ms| end_ms < to_ms);
    let mut pieces = Vec::new();
    let mut from = range.from;
    for to in inside.filter_map(|ms| Timestamp::from_millisecond(ms).ok()).chain([range.to]) {
        pieces.push(Range { from, to });
        from = to;
    }
    pieces
}

pub(super) fn select(
    connection: &Connection,
    sql: &str,
    range: Range,
) -> duckdb::Result<Vec<BucketRow>> {
    let mut statement = connection.prepare(&within(sql, range))?;
    let mut rows = Vec::new();
    for batch in statement.query_arrow([])? {
        columns::append(&batch, &mut rows)?;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY_MS: i64 = 86_400_000;

    proptest! {
        #[test]
        fn pieces_make_up_the_range(
            from in -1_000_000_000_000_i64..4_000_000_000_000,
            length in 1_i64..400 * DAY_MS,
            block in 1_i64..300 * DAY_MS,
            at_most in 1_usize..9,
        ) {
            let at = |ms| Timestamp::from_millisecond(ms).unwrap();
            let range = Range { from: at(from), to: at(from + length) };
            let pieces = pieces(range, block, at_most);
            prop_assert!((1..=at_most).contains(&pieces.len()));
            prop_assert_eq!(pieces.first().map(|piece| piece.from), Some(range.from));
            prop_assert_eq!(pieces.last().map(|piece| piece.to), Some(range.to));
            for pair in pieces.windows(2) {
                prop_assert_eq!(pair[0].to, pair[1].from);
                prop_assert_eq!(pair[0].to.as_millisecond().rem_euclid(block), 0);
            }
            prop_assert!(pieces.iter().all(|piece| piece.from < piece.to));
        }
    }
}
