//! Late, repeated and shuffled data leaves exactly what ordered data leaves.

use jiff::Timestamp;
use komandorr_collector::{
    Reader,
    read::{Calendar, ExportFormat, Range, Scope, Step},
    registry::ServiceDetails,
};
use komandorr_wire::{Interface, Sample, ServiceId};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::support::{Running, config, sample};

const HOUR_MS: i64 = 3_600_000;

/// Two agents over three days, with intervals from a second to half a day.
fn history(random: &mut StdRng, begin_ms: i64, end_ms: i64) -> Vec<(&'static str, Sample)> {
    let mut samples = Vec::new();
    for (service, agent) in [("web-1", "a"), ("web-2", "b")] {
        let (mut at, mut seq) = (begin_ms, 0);
        loop {
            let interval: u64 = match random.random_range(0..10) {
                0 => random.random_range(1..50_000_000),
                1..=3 => random.random_range(1..2_000_000),
                _ => random.random_range(1000..400_000),
            };
            at += i64::try_from(interval).unwrap_or_default();
            if at > end_ms {
                break;
            }
            seq += 1;
            let bytes = |random: &mut StdRng| random.random_range(0..10_000_000_000_u64);
            let (up, down) = (bytes(random), bytes(random));
            let mut one = sample(agent, seq, at, interval, up, down);
            one.interfaces.push(Interface {
                name: ["eth0", "wg0"][random.random_range(0..2)].into(),
                role: "physical".into(),
                up,
                down,
                counted: true,
                ..Interface::default()
            });
            samples.push((service, one));
            // Now and then nobody measures.
            if random.random_ratio(1, 10) {
                at += random.random_range(0..3_000_000);
            }
        }
    }
    samples
}

async fn feed(running: &Running, samples: &[(&str, Sample)]) -> anyhow::Result<()> {
    for part in samples.chunk_by(|a, b| a.0 == b.0) {
        let Some((service, _)) = part.first() else { continue };
        let list: Vec<Sample> = part.iter().map(|(_, sample)| sample.clone()).collect();
        running.store(service, &list).await?;
        let web = ServiceDetails { group: Some("Web".into()), ..ServiceDetails::default() };
        running.registry.update(&ServiceId::new(service)?, web)?;
    }
    Ok(())
}

/// Every question, as text.
async fn answers(reader: &Reader, range: Range) -> anyhow::Result<Vec<String>> {
    let mut answers = Vec::new();
    let ids = [ServiceId::new("web-1")?, ServiceId::new("web-2")?];
    let scopes = [
        Scope::All,
        Scope::One(ids[0].clone()),
        Scope::Several(vec![ids[1].clone(), ids[0].clone()]),
        Scope::Group("Web".into()),
    ];
    for scope in &scopes {
        for step in [Step::Raw, Step::FiveMinutes, Step::Hour, Step::Day, Step::Week] {
            answers.push(format!("{:?}", reader.history(scope, range, step).await?));
            answers.push(format!("{:?}", reader.history_sum(scope, range, step).await?));
        }
        for unit in [Calendar::Hour, Calendar::Day, Calendar::Week, Calendar::Month, Calendar::Year]
        {
            answers.push(format!("{:?}", reader.volumes(scope, range, unit).await?));
        }
        answers.push(format!("{:?}", reader.hour_profile(scope, 2, range.to).await?));
        answers.push(format!("{:?}", reader.weekly(scope, 3, range.to).await?));
        answers.push(format!("{:?}", reader.summary(scope, range).await?));
        answers.push(format!("{:?}", reader.summaries(scope, range).await?));
        answers.push(export(reader, scope, range).await?);
    }
    answers.push(format!("{:?}", reader.top_talkers(&Scope::All, range, 5).await?));
    answers.push(format!("{:?}", reader.running_volumes(range.to).await?));
    for id in &ids {
        answers.push(format!("{:?}", reader.interfaces(id, range).await?));
        answers.push(format!("{:?}", reader.begins(id).await?));
    }
    Ok(answers)
}

async fn export(reader: &Reader, scope: &Scope, range: Range) -> anyhow::Result<String> {
    let mut export = reader.export(scope, range, Step::FiveMinutes, ExportFormat::Csv)?;
    let mut whole = Vec::new();
    while let Some(piece) = export.next().await {
        whole.extend_from_slice(&piece?);
    }
    Ok(String::from_utf8(whole)?)
}

#[tokio::test]
async fn shuffled_repeated_and_split_data_answers_like_ordered_data() -> anyhow::Result<()> {
    let end_ms = Timestamp::now().as_millisecond() / HOUR_MS * HOUR_MS - HOUR_MS;
    let begin_ms = end_ms - 72 * HOUR_MS;
    let range =
        Range::new(Timestamp::from_millisecond(begin_ms)?, Timestamp::from_millisecond(end_ms)?)?;
    let folder = tempfile::tempdir()?;
    let mut random = StdRng::seed_from_u64(7);
    let ordered = history(&mut random, begin_ms, end_ms);
    let first = Running::start(config(&folder.path().join("ordered")), "Europe/Berlin")?;
    feed(&first, &ordered).await?;
    let expected = answers(&first.reader, range).await?;
    for seed in 0..3 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut mixed = ordered.clone();
        let repeated: Vec<_> =
            (0..50).map(|_| ordered[random.random_range(0..ordered.len())].clone()).collect();
        mixed.extend(repeated);
        mixed.shuffle(&mut random);
        let second = config(&folder.path().join(format!("mixed-{seed}")));
        let mut running = Running::start(second.clone(), "Europe/Berlin")?;
        // In several lives of the collector, whose ends join what has gathered.
        for part in mixed.chunks(mixed.len() / 3 + 1) {
            feed(&running, part).await?;
            running.stop().await?;
            running = Running::start(second.clone(), "Europe/Berlin")?;
        }
        let found = answers(&running.reader, range).await?;
        for (expected, found) in expected.iter().zip(&found) {
            assert_eq!(expected, found, "seed {seed}");
        }
        running.stop().await?;
    }
    first.stop().await
}
