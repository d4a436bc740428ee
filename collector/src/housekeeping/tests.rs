//! What readers remember of the past never differs from what is stored.

mod many;
mod store;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::{forget, join};
use crate::{
    Reader,
    read::{Calendar, Point, Scope, Step},
};
use store::{Store, id, reader};

const SERVICES: i32 = 3;

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
        let store = Store::of(SERVICES).unwrap();
        // Without anything there is nothing to remember.
        for (service, ago) in (0..4 * 288).step_by(19).map(|ago| (ago % SERVICES + 1, ago)) {
            store.part(service, ago.into(), 1).unwrap();
        }
        store.join().unwrap();
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
                    let sum = |reader: &Reader, scope: &Scope| {
                        let answer = reader.history_sum(scope, range, Step::FiveMinutes);
                        runtime.block_on(answer).unwrap().points
                    };
                    let hours = |reader: &Reader, scope: &Scope| {
                        runtime.block_on(reader.volumes(scope, range, Calendar::Hour)).unwrap()
                    };
                    let (some, all) = (store.named(&services), Scope::All);
                    prop_assert_eq!(hours(&store.reader, &some), hours(&fresh, &some));
                    prop_assert_eq!(hours(&store.reader, &all), hours(&fresh, &all));
                    prop_assert_eq!(each(&store.reader), each(&fresh));
                    prop_assert_eq!(sum(&store.reader, &some), sum(&fresh, &some));
                    prop_assert_eq!(sum(&store.reader, &all), sum(&fresh, &all));
                    let bytes = |points: &[Point]| points.iter().map(|p| p.up_bytes).sum::<u64>();
                    let sent = each(&store.reader).iter().map(|points| bytes(points)).sum::<u64>();
                    prop_assert_eq!(sent, store.sent(&services, range).unwrap());
                    prop_assert_eq!(bytes(&sum(&store.reader, &some)), sent);
                    let everybody: Vec<i32> = (1..=SERVICES).collect();
                    // Of all together sums are kept; those who are named are added up.
                    let named = store.named(&everybody);
                    prop_assert_eq!(sum(&store.reader, &named), sum(&store.reader, &all));
                    let sent = store.sent(&everybody, range).unwrap();
                    prop_assert_eq!(bytes(&sum(&store.reader, &all)), sent);
                }
            }
        }
    }
}

#[test]
fn who_reads_while_volumes_are_joined_misses_nothing_and_counts_nothing_twice() -> anyhow::Result<()>
{
    let (store, runtime) = (Store::of(SERVICES)?, Runtime::new()?);
    let (begun, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let over = AtomicBool::new(false);
    let (scope, range) = (store.named(&[1]), store.range(1000, 1000));
    let sums = [store.named(&[1, 2]), Scope::All];
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
                for scope in &sums {
                    let least = done.load(Ordering::SeqCst);
                    let bytes = runtime.block_on(store.reader.summary(scope, range))?.up_bytes;
                    let most = begun.load(Ordering::SeqCst);
                    anyhow::ensure!((least..=most).contains(&bytes), "{bytes}, {least} to {most}");
                }
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
