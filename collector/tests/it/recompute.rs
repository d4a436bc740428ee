//! Every number that the `Reader` gives against the slow recomputation.

mod questions;

use std::collections::BTreeMap;

use anyhow::Context;
use jiff::{Timestamp, tz::TimeZone};
use komandorr_collector::{
    Reader,
    read::{Range, Scope},
    registry::ServiceDetails,
};
use komandorr_wire::{Interface, Sample, ServiceId};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    slow::{self, Asked, Cells},
    support::{Running, config, sample},
};

const FIVE_MINUTES: i64 = 300_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const SERVICES: [&str; 3] = ["db-1", "web-1", "web-2"];

/// What each service's agents sent.
struct World {
    samples: BTreeMap<&'static str, Vec<Sample>>,
    zone: TimeZone,
    random: StdRng,
    begin_ms: i64,
    end_ms: i64,
}

impl World {
    /// Seven weeks around a change of the clocks, with gaps, long and short
    /// intervals, and two agents of one service at the same time.
    fn new(zone: &str, seed: u64) -> anyhow::Result<Self> {
        let begin_ms = "2026-09-28T03:07:11Z".parse::<Timestamp>()?.as_millisecond();
        let end_ms = "2026-11-17T21:13:09Z".parse::<Timestamp>()?.as_millisecond();
        let mut random = StdRng::seed_from_u64(seed);
        let mut samples = BTreeMap::new();
        for (service, agents) in SERVICES.into_iter().zip([&["a"][..], &["b"][..], &["c", "d"][..]])
        {
            let of = |agent: &&str| history(&mut random, agent, begin_ms, end_ms);
            let list: Vec<Sample> = agents.iter().flat_map(of).collect();
            samples.insert(service, list);
        }
        Ok(Self { samples, zone: TimeZone::get(zone)?, random, begin_ms, end_ms })
    }

    fn cells(&self, service: &str) -> Cells {
        slow::five_minutes(self.samples.get(service).into_iter().flatten())
    }

    /// A range within or around the data.
    fn range(&mut self) -> anyhow::Result<Range> {
        let span = self.begin_ms - 2 * DAY..self.end_ms + 2 * DAY;
        let (a, b) = (self.random.random_range(span.clone()), self.random.random_range(span));
        let (from, to) = (a.min(b), a.max(b) + 1);
        Ok(Range::new(Timestamp::from_millisecond(from)?, Timestamp::from_millisecond(to)?)?)
    }
}

fn history(random: &mut StdRng, agent: &str, begin_ms: i64, end_ms: i64) -> Vec<Sample> {
    let (mut samples, mut at, mut seq) = (Vec::new(), begin_ms, 0);
    loop {
        let interval = match random.random_range(0..20) {
            0 => random.random_range(1..100_000_000_u64),
            1..=9 => random.random_range(1..400_000),
            _ => random.random_range(300_000..9_000_000),
        };
        at += i64::try_from(interval).unwrap_or_default();
        if at > end_ms {
            return samples;
        }
        seq += 1;
        let bytes = |random: &mut StdRng| random.random_range(0..10_000_000_000_u64);
        let (up, down) = (bytes(random), bytes(random));
        let mut one = sample(agent, seq, at, interval, up, down);
        one.interfaces.push(Interface {
            name: ["eth0", "eth1"][random.random_range(0..2)].into(),
            role: "physical".into(),
            up,
            down,
            counted: true,
            ..Interface::default()
        });
        samples.push(one);
        if random.random_ratio(1, 10) {
            at += random.random_range(0..30_000_000);
        }
    }
}

/// Five minutes are kept for whoever runs this in years.
fn settings(folder: &std::path::Path) -> komandorr_collector::Config {
    let keep_five_minutes = std::time::Duration::from_hours(24 * 365 * 50);
    komandorr_collector::Config {
        keep_five_minutes,
        samples_per_service: 100_000,
        ..config(folder)
    }
}

#[tokio::test]
async fn every_number_is_what_a_slow_recomputation_gives() -> anyhow::Result<()> {
    for (zone, seed) in [("Europe/Berlin", 1), ("Asia/Kolkata", 2), ("America/St_Johns", 3)] {
        let folder = tempfile::tempdir()?;
        let mut world = World::new(zone, seed)?;
        let running = Running::start(settings(folder.path()), zone)?;
        for (service, samples) in &world.samples {
            running.store(service, &samples[..samples.len() / 2]).await?;
        }
        // What came before a stop is joined, what comes after it is not yet.
        running.stop().await?;
        let running = Running::start(settings(folder.path()), zone)?;
        for (service, samples) in &world.samples {
            running.store(service, samples).await?;
        }
        let grouped = ServiceDetails { group: Some("Web".into()), ..ServiceDetails::default() };
        for service in ["web-1", "web-2"] {
            running.registry.update(&ServiceId::new(service)?, grouped.clone())?;
        }
        running.registry.register(&ServiceId::new("quiet")?, ServiceDetails::default())?;
        for _ in 0..4 {
            compare(&mut world, &running.reader).await?;
        }
        running.stop().await?;
    }
    Ok(())
}

/// A scope with the five minutes of each of its services.
struct Question {
    scope: Scope,
    members: Vec<Cells>,
}

impl Question {
    /// What is summed of several services are the means of their buckets, so
    /// it matters how long these are.
    fn cells(&self, of: fn(&Cells) -> Cells) -> Cells {
        let mut members: Vec<Cells> = self.members.iter().map(of).collect();
        match self.scope {
            Scope::One(_) => members.pop().unwrap_or_default(),
            _ => slow::together(members.iter()),
        }
    }

    fn asked<'a>(&self, cells: &'a Cells) -> Asked<'a> {
        let summed = !matches!(self.scope, Scope::One(_));
        Asked { cells, summed, members: self.members.len() as u64 }
    }
}

/// One random range, all questions.
async fn compare(world: &mut World, reader: &Reader) -> anyhow::Result<()> {
    let range = world.range()?;
    let id = |text| ServiceId::new(text);
    let of = |services: &[&str]| services.iter().map(|service| world.cells(service)).collect();
    let scopes = [
        Question { scope: Scope::One(id("web-2")?), members: of(&["web-2"]) },
        Question { scope: Scope::One(id("quiet")?), members: vec![Cells::new()] },
        Question { scope: Scope::All, members: of(&["db-1", "quiet", "web-1", "web-2"]) },
        Question { scope: Scope::Group("Web".into()), members: of(&["web-1", "web-2"]) },
        Question {
            scope: Scope::Several(vec![id("web-2")?, id("db-1")?]),
            members: of(&["web-2", "db-1"]),
        },
    ];
    for question in &scopes {
        let label = format!("{:?} {range:?} {:?}", question.scope, world.zone);
        questions::figures(world, reader, question, range).await.context(label.clone())?;
        questions::profile(world, reader, question, range.to, &label).await?;
        questions::weeks(world, reader, question, range.to, &label).await?;
        questions::histories(world, reader, question, range, &label).await?;
    }
    questions::all_at_once(world, reader, range).await?;
    questions::samples_and_interfaces(world, reader, range).await
}
