//! Questions about many services at once.

use tokio::runtime::Runtime;

use super::store::Store;
use crate::{
    bucket::{FIVE_MINUTES_MS, HOUR_MS, bucket_of},
    read::{Calendar, Scope, Step},
    store::instant,
};

#[test]
fn many_who_are_named_add_up_to_the_sums_that_are_kept() -> anyhow::Result<()> {
    // One by one, and so many that they are asked for together.
    for many in [17, 70] {
        let (store, runtime) = (Store::of(many)?, Runtime::new()?);
        store.lane.with(|connection| {
            connection.execute_batch(&format!(
                "INSERT INTO recent_volume
                 SELECT n, {} - INTERVAL 5 MINUTES * (ago + n % 3), hash(n, ago) % 1000000, n,
                     300000 - n, hash(n), ago, 1
                 FROM range(1, {many} + 1) AS s (n), range(1, 400) AS t (ago)
                 WHERE hash(ago, n) % 4 > 0",
                instant(bucket_of(store.now.as_millisecond(), FIVE_MINUTES_MS))
            ))
        })?;
        store.join()?;
        // Not joined yet.
        for service in 1..=many {
            store.part(service, i64::from(service), 1000)?;
        }
        let (named, range) = (store.named(&(1..=many).collect::<Vec<_>>()), store.range(500, 499));
        let (all, unit) = (Scope::All, Calendar::Hour);
        // The second time of what is remembered.
        for _ in 0..2 {
            let reader = &store.reader;
            let sum = |scope| runtime.block_on(reader.history_sum(scope, range, Step::FiveMinutes));
            let hours = |scope| runtime.block_on(reader.volumes(scope, range, unit));
            let (found, kept) = (sum(&named)?, sum(&all)?);
            assert!(kept.summary.up_p95_bytes_per_second > Some(0), "{:?}", kept.summary);
            assert_eq!((found.points, found.summary), (kept.points, kept.summary));
            assert_eq!(hours(&named)?, hours(&all)?);
        }
    }
    Ok(())
}

#[test]
fn the_busiest_are_found_whether_they_stand_out_or_not() -> anyhow::Result<()> {
    const SERVICES: i32 = 40;
    // Much alike, and each with twice what the one before has.
    for bytes in ["1000 + hash(n, hour) % 1000", "(1 << n) + hash(n, hour) % 3"] {
        let (store, runtime) = (Store::of(SERVICES)?, Runtime::new()?);
        // One in seven has nothing but on the first of these days.
        store.lane.with(|connection| {
            connection.execute_batch(&format!(
                "INSERT INTO recent_volume
                 SELECT n, {} - INTERVAL 1 HOUR * hour, ({bytes})::UBIGINT, n, 3600000, 1, 1, 1
                 FROM range(1, {SERVICES} + 1) AS s (n), range(1, 24 * 9) AS t (hour)
                 WHERE n % 7 > 0 OR hour > 24 * 7",
                instant(bucket_of(store.now.as_millisecond(), FIVE_MINUTES_MS))
            ))
        })?;
        store.join()?;
        for service in 1..=SERVICES {
            store.part(service, 12 * i64::from(service * 5), 1000)?;
        }
        let named: Vec<i32> = (3..=SERVICES).step_by(2).collect();
        let everybody: Vec<i32> = (1..=SERVICES).collect();
        for hours in [1, 5, 30, 7 * 24 - 3, 7 * 24 + 5, 8 * 24 + 7] {
            let range = store.range(12 * hours, 12 * hours).widened(HOUR_MS);
            for (scope, of) in [(Scope::All, &everybody), (store.named(&named), &named)] {
                let expected = store.busiest(of, range)?;
                for limit in [1, 8] {
                    let found = runtime.block_on(store.reader.top_talkers(&scope, range, limit))?;
                    assert_eq!(found.with_traffic, expected.len(), "{hours} hours, {bytes}");
                    let found: Vec<_> = found.busiest.into_iter().map(|t| t.service).collect();
                    assert_eq!(found, expected[..limit.min(expected.len())], "{hours}, {bytes}");
                }
            }
        }
    }
    Ok(())
}
