//! What readers remember of the past never differs from what is stored.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use komandorr_wire::ServiceId;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::{forget, join};
use crate::{
    Config, Live, Reader, Registry,
    bucket::{FIVE_MINUTES_MS, bucket_of},
    journal::Journal,
    level::Level,
    read::{KeptMinutes, Past, Point, Range, Scope, Step},
    store::{Database, Lane, instant, list},
};

const SERVICES: i32 = 3;

/// A store with some services, and a reader that remembers.
struct Store {
    _folder: tempfile::TempDir,
    database: Arc<Database>,
    lane: Lane,
    past: Arc<Past>,
    registry: Arc<Registry>,
    reader: Reader,
    now: Timestamp,
}

impl Store {
    fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = Database::open(&folder.path().join("past.duckdb"))?;
        let lane = database.lane();
        lane.with(|connection| {
            connection.execute_batch(&format!(
                "INSERT INTO service (service_no, id, name, created_at)
                 SELECT nextval('service_no'), 'host-' || n, '', now()::TIMESTAMP
                 FROM range(1, {SERVICES} + 1) AS t (n)"
            ))
        })?;
        let past: Arc<Past> = Arc::default();
        let registry = Arc::new(Registry::load(database.lane(), Arc::clone(&past))?);
        let reader = reader(&database, &registry, &past)?;
        Ok(Self { _folder: folder, database, lane, past, registry, reader, now: Timestamp::now() })
    }

    /// A part of so many bytes, five minutes that many times ago.
    fn part(&self, service: i32, ago: i64, bytes: u32) -> duckdb::Result<()> {
        let ms = bucket_of(self.now.as_millisecond(), FIVE_MINUTES_MS) - ago * FIVE_MINUTES_MS;
        let sql = format!(
            "INSERT INTO recent_volume
             SELECT {service}, {}, {bytes}, 1, 300000, {bytes}, 1, 1",
            instant(ms)
        );
        self.lane.with(|connection| connection.execute_batch(&sql))
    }

    fn join(&self) -> duckdb::Result<()> {
        self.lane.with(|connection| join::volumes(connection, &self.past))
    }

    fn forget(&self, hours: u64) -> duckdb::Result<()> {
        let config = Config { keep_five_minutes: Duration::from_hours(hours), ..Config::default() };
        self.lane.with(|connection| forget::volumes(connection, &self.past, &config, self.now))
    }

    /// Those of some services that are not removed.
    fn named(&self, services: &[i32]) -> Scope {
        let ids = services.iter().filter_map(|number| id(*number));
        Scope::Several(ids.filter(|id| self.registry.get(id.as_str()).is_some()).collect())
    }

    /// What services that are not removed sent in a range, asked without a reader.
    fn sent(&self, services: &[i32], range: Range) -> duckdb::Result<u64> {
        let sql = format!(
            "SELECT coalesce(sum(up_bytes), 0)::UBIGINT FROM ({}) SEMI JOIN service USING (service_no)
             WHERE service_no IN ({}) AND bucket >= {} AND bucket < {}",
            Level::FiveMinutes.source(),
            list(services),
            instant(range.from.as_millisecond()),
            instant(range.to.as_millisecond()),
        );
        self.lane.with(|connection| connection.query_row(&sql, [], |row| row.get(0)))
    }

    /// From so many times five minutes ago, so many of them.
    fn range(&self, ago: i64, length: i64) -> Range {
        let at = |ago: i64| self.now - SignedDuration::from_mins(5 * ago);
        Range { from: at(ago), to: at(ago - length) }.widened(FIVE_MINUTES_MS)
    }
}

fn reader(
    database: &Arc<Database>,
    registry: &Arc<Registry>,
    past: &Arc<Past>,
) -> anyhow::Result<Reader> {
    let live = Arc::new(Live::new(Arc::clone(registry), TimeZone::UTC));
    let long = Duration::from_hours(24 * 400);
    let minutes = database.lane().with(|connection| KeptMinutes::load(connection, long))?;
    Ok(Reader::new(database, &Arc::new(Journal::default()), past, registry, &live, (minutes, long)))
}

fn id(number: i32) -> Option<ServiceId> {
    ServiceId::new(&format!("host-{number}")).ok()
}

#[derive(Debug, Clone)]
enum Deed {
    Part { service: i32, ago: i64, bytes: u32 },
    Join,
    Forget { hours: u64 },
    Remove { service: i32 },
    Ask { services: Vec<i32>, ago: i64, length: i64 },
}

/// What happens within four days; much of it is late.
fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    const DAYS: i64 = 4 * 288;
    let services = prop::sample::subsequence((1..=SERVICES).collect::<Vec<_>>(), 1..=3);
    let part = (1..=SERVICES, 0..DAYS, any::<u32>()).prop_map(|(service, ago, bytes)| Deed::Part {
        service,
        ago,
        bytes,
    });
    let ask = (services, 1..DAYS, 1..DAYS).prop_map(|(services, ago, length)| Deed::Ask {
        services,
        ago,
        length,
    });
    let deed = prop_oneof![
        4 => part,
        2 => Just(Deed::Join),
        1 => (48..96_u64).prop_map(|hours| Deed::Forget { hours }),
        1 => (1..=SERVICES * 4).prop_map(|service| Deed::Remove { service }),
        6 => ask,
    ];
    prop::collection::vec(deed, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_remembered_is_what_is_stored(deeds in deeds()) {
        let runtime = Runtime::new().unwrap();
        let store = Store::new().unwrap();
        for deed in deeds {
            match deed {
                Deed::Part { service, ago, bytes } => store.part(service, ago, bytes).unwrap(),
                Deed::Join => store.join().unwrap(),
                Deed::Forget { hours } => store.forget(hours).unwrap(),
                // Mostly one that was never there, or is gone.
                Deed::Remove { service } => drop(store.registry.remove(&id(service).unwrap())),
                Deed::Ask { services, ago, length } => {
                    let range = store.range(ago, length);
                    let fresh = reader(&store.database, &store.registry, &Arc::default()).unwrap();
                    let each = |reader: &Reader| {
                        let scope = store.named(&services);
                        let answer = reader.history(&scope, range, Step::FiveMinutes);
                        let series = runtime.block_on(answer).unwrap();
                        series.into_iter().map(|series| series.points).collect::<Vec<_>>()
                    };
                    let all = |reader: &Reader| {
                        let answer = reader.history_sum(&Scope::All, range, Step::FiveMinutes);
                        runtime.block_on(answer).unwrap().points
                    };
                    prop_assert_eq!(each(&store.reader), each(&fresh));
                    prop_assert_eq!(all(&store.reader), all(&fresh));
                    let bytes = |points: &[Point]| points.iter().map(|p| p.up_bytes).sum::<u64>();
                    let sent = each(&store.reader).iter().map(|points| bytes(points)).sum::<u64>();
                    prop_assert_eq!(sent, store.sent(&services, range).unwrap());
                    let everybody: Vec<i32> = (1..=SERVICES).collect();
                    let sent = store.sent(&everybody, range).unwrap();
                    prop_assert_eq!(bytes(&all(&store.reader)), sent);
                }
            }
        }
    }
}

#[test]
fn who_reads_while_volumes_are_joined_misses_nothing_and_counts_nothing_twice() -> anyhow::Result<()>
{
    let (store, runtime) = (Store::new()?, Runtime::new()?);
    let (begun, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let over = AtomicBool::new(false);
    let (scope, range) = (store.named(&[1]), store.range(1000, 1000));
    thread::scope(|scope_of_threads| {
        let writer = scope_of_threads.spawn(|| -> duckdb::Result<()> {
            for n in 0..150 {
                begun.fetch_add(1, Ordering::SeqCst);
                store.part(1, 20 + n * 7 % 900, 1)?;
                done.fetch_add(1, Ordering::SeqCst);
                store.join()?;
            }
            Ok(())
        });
        let reader = scope_of_threads.spawn(|| -> anyhow::Result<u64> {
            let mut answers = 0;
            while !over.load(Ordering::SeqCst) {
                let least = done.load(Ordering::SeqCst);
                let summaries = runtime.block_on(store.reader.summaries(&scope, range))?;
                let most = begun.load(Ordering::SeqCst);
                let bytes: u64 = summaries.iter().map(|(_, summary)| summary.up_bytes).sum();
                anyhow::ensure!((least..=most).contains(&bytes), "{bytes} of {least} to {most}");
                answers += 1;
            }
            Ok(answers)
        });
        let written = writer.join();
        over.store(true, Ordering::SeqCst);
        let answers = reader.join().unwrap()?;
        written.unwrap()?;
        assert!(answers > 10, "{answers}");
        Ok(())
    })
}
