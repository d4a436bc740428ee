//! What the pages ask, with a year of a thousand services: first after the
//! opening, and again; and what reading costs the writer.

use std::{path::Path, time::Duration};

use jiff::{SignedDuration, Timestamp};
use komandorr_collector::{
    Reader,
    read::{Calendar, Range, ReadError, Scope, Step},
};
use komandorr_wire::ServiceId;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::running::{Running, payload, spread};

/// A page, or one of its questions.
#[derive(Debug, Clone, Copy)]
enum Ask {
    Fleet,
    Service { days: i64, step: Step },
    Profile { weeks: u32 },
    Analytics { weeks: u32, services: Option<usize> },
}

const PAGES: [(&str, Ask); 11] = [
    ("the fleet's day, today and this month of all", Ask::Fleet),
    ("a service, a day", Ask::Service { days: 1, step: Step::FiveMinutes }),
    ("a service, a week", Ask::Service { days: 7, step: Step::Hour }),
    ("a service, a month", Ask::Service { days: 30, step: Step::Hour }),
    ("a service, four months", Ask::Service { days: 120, step: Step::Day }),
    ("a service, twelve months", Ask::Service { days: 360, step: Step::Day }),
    ("hour of the week of the fleet, four weeks", Ask::Profile { weeks: 4 }),
    ("hour of the week of the fleet, a year", Ask::Profile { weeks: 52 }),
    ("analytics of the fleet, four weeks", Ask::Analytics { weeks: 4, services: None }),
    ("analytics of a group of fifty, four weeks", Ask::Analytics { weeks: 4, services: Some(50) }),
    ("analytics of the fleet, a year", Ask::Analytics { weeks: 52, services: None }),
];

/// All pages, or those whose name has a part.
pub(crate) async fn measure(database: &Path, part: Option<&str>) -> anyhow::Result<()> {
    let wanted = |name: &str| part.is_none_or(|part| name.contains(part));
    for (name, ask) in PAGES.into_iter().filter(|(name, _)| wanted(name)) {
        let forgotten = std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok();
        let begun = Instant::now();
        let running = Running::open(database)?;
        let opened = begun.elapsed();
        let (mut others, mut same) = (Vec::new(), Vec::new());
        for round in 0..30 {
            for times in [&mut others, &mut same] {
                let begun = Instant::now();
                question(&running.reader, ask, round).await?;
                times.push(begun.elapsed());
            }
        }
        let first = others.remove(0);
        let cold = if forgotten { "nothing in the system's cache" } else { "fresh process" };
        println!(
            "{name}\n  first {first:.1?} ({cold}; opened in {opened:.1?})\n  of another service {}\n  the same again {}",
            spread(others),
            spread(same)
        );
        running.stop().await;
    }
    if part.is_some() { Ok(()) } else { beside_the_writer(database).await }
}

async fn question(reader: &Reader, ask: Ask, round: usize) -> Result<(), ReadError> {
    let now = Timestamp::now();
    let last = |days: i64| Range::new(now - SignedDuration::from_hours(24 * days), now);
    match ask {
        Ask::Fleet => {
            reader.history_sum(&Scope::All, last(1)?, Step::FiveMinutes).await?;
            reader.running_volumes(now).await?;
        }
        Ask::Service { days, step } => {
            // In each round another service, of which no block was read before.
            let Some(id) = host(round * 31) else { return Ok(()) };
            let scope = Scope::One(id.clone());
            reader.begins(&id).await?;
            let history = reader.history(&scope, last(days)?, step);
            let volumes = reader.volumes(&scope, last(13)?, Calendar::Day);
            tokio::try_join!(history, volumes)?;
        }
        Ask::Profile { weeks } => {
            reader.hour_profile(&Scope::All, weeks, now).await?;
        }
        Ask::Analytics { weeks, services } => {
            let scope = services.map_or(Scope::All, |many| group(round, many));
            let (day, range) = (last(1)?, last(7 * i64::from(weeks))?);
            let profile = reader.hour_profile(&scope, weeks, now);
            let summary = reader.summary(&scope, range);
            let week = async {
                reader.volumes(&scope, last(13)?, Calendar::Day).await?;
                reader.summary(&scope, day).await
            };
            let talkers = reader.top_talkers(&scope, range, 8);
            tokio::try_join!(profile, summary, week, talkers)?;
        }
    }
    Ok(())
}

/// A service of the thousand.
fn host(number: usize) -> Option<ServiceId> {
    ServiceId::new(&format!("host-{}", number % 1000)).ok()
}

/// So many services that nothing but their group has in common, others in each round.
fn group(round: usize, many: usize) -> Scope {
    Scope::Several((0..many).filter_map(|i| host(i * 1000 / many + round)).collect())
}

async fn beside_the_writer(database: &Path) -> anyhow::Result<()> {
    let running = Running::open(database)?;
    println!("commits of 1000 samples, nobody reads: {}", spread(commits(&running).await?));
    let mut readers = JoinSet::new();
    for reader in 0..2 {
        let own = running.reader.clone();
        readers.spawn(async move {
            for round in (reader..).step_by(2) {
                for (_, ask) in PAGES {
                    if question(&own, ask, round).await.is_err() {
                        return;
                    }
                }
            }
        });
    }
    println!("the same while two read pages without end: {}", spread(commits(&running).await?));
    readers.shutdown().await;
    running.stop().await;
    Ok(())
}

async fn commits(running: &Running) -> anyhow::Result<Vec<Duration>> {
    let run = rand::random::<u64>();
    let services: Vec<_> = running.registry.services().into_iter().take(50).collect();
    let mut times = Vec::new();
    for round in 0..500_u64 {
        let service = services.get(usize::try_from(round % 50)?).map(|service| service.id.clone());
        let Some(service) = service else { continue };
        let first = round / 50 * 1000 + 1;
        let now = Timestamp::now().as_millisecond();
        let payload = payload(&format!("{service}-{run:x}"), first..first + 1000, 100, now);
        times.push(running.commit(&service, payload).await?);
        sleep(Duration::from_millis(10)).await;
    }
    Ok(times)
}
