//! An export holds the points of the history, in every format and length.

use jiff::Timestamp;
use komandorr_collector::{
    Config,
    read::{ExportFormat, Point, Range, Scope, Step},
};
use komandorr_wire::{Sample, ServiceId};
use serde_json::Value;

use crate::support::{Running, config, sample};

const DAY_MS: i64 = 86_400_000;

/// Two services over 80 days: more five minutes than one piece of an export
/// holds, with gaps.
async fn fill(running: &Running) -> anyhow::Result<Range> {
    let end_ms = Timestamp::now().as_millisecond() / DAY_MS * DAY_MS;
    let begin_ms = end_ms - 80 * DAY_MS;
    for (service, length) in [("web-1", 1_000_000), ("web-2", 7_000_003)] {
        let count = u64::try_from(80 * DAY_MS).unwrap_or_default() / length;
        let one = |n: u64| {
            let ended = begin_ms + i64::try_from(n * length).unwrap_or_default();
            sample(service, n, ended, length, n * 1_000_003, n * 17)
        };
        let samples: Vec<Sample> = (1..=count).filter(|n| n % 50 != 0).map(one).collect();
        running.store(service, &samples).await?;
    }
    let at = |ms| Timestamp::from_millisecond(ms);
    Ok(Range::new(at(begin_ms + 123_456)?, at(end_ms - 654_321)?)?)
}

async fn export(
    running: &Running,
    scope: &Scope,
    range: Range,
    step: Step,
    format: ExportFormat,
) -> anyhow::Result<Vec<u8>> {
    let mut export = running.reader.export(scope, range, step, format)?;
    let mut whole = Vec::new();
    while let Some(piece) = export.next().await {
        let piece = piece?;
        assert!(piece.len() < 4_000_000, "a piece stays small: {} bytes", piece.len());
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

/// The points of the history, asked for in parts that an answer allows.
async fn history(
    running: &Running,
    range: Range,
    step: Step,
) -> anyhow::Result<Vec<(String, Point)>> {
    let mut all = Vec::new();
    for service in running.registry.services() {
        let scope = Scope::One(service.id.clone());
        let length = 1000 * step.length_ms().unwrap_or(DAY_MS);
        let mut from = range.from.as_millisecond();
        while from < range.to.as_millisecond() {
            // Cut where five minutes and days of the zone begin.
            let to = (from / length + 1) * length;
            let to = to.min(range.to.as_millisecond());
            let at = |ms| Timestamp::from_millisecond(ms);
            let part = Range::new(at(from)?, at(to)?)?;
            let series = running.reader.history(&scope, part, step).await?.remove(0);
            all.extend(series.points.into_iter().map(|point| (service.id.to_string(), point)));
            from = to;
        }
    }
    Ok(all)
}

fn text(point: &(String, Point)) -> String {
    let (service, p) = point;
    format!(
        "{service},{},{},{},{},{},{},{},{}",
        p.t,
        p.up_bytes,
        p.down_bytes,
        p.up_bytes_per_second,
        p.down_bytes_per_second,
        p.up_peak_bytes_per_second,
        p.down_peak_bytes_per_second,
        p.coverage
    )
}

#[tokio::test]
async fn csv_json_and_parquet_hold_the_points_of_the_history() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let running = Running::start(config(folder.path()), "UTC")?;
    let range = fill(&running).await?;
    for step in [Step::FiveMinutes, Step::Hour, Step::Day] {
        let expected: Vec<String> =
            history(&running, range, step).await?.iter().map(text).collect();
        assert!(expected.len() > 100, "{}", expected.len());

        let csv = export(&running, &Scope::All, range, step, ExportFormat::Csv).await?;
        let csv = String::from_utf8(csv)?;
        assert_eq!(csv.lines().next().map(|head| head.split(',').count()), Some(9));
        assert_same(csv.lines().skip(1), &expected, step);

        let json = export(&running, &Scope::All, range, step, ExportFormat::Json).await?;
        // The reader of JSON rounds fractions, in the last place or so.
        let rounded: Vec<String> = expected.iter().map(|line| rounded(line)).collect();
        let json: Vec<String> =
            lines_of_json(&json)?.iter().map(|line| self::rounded(line)).collect();
        assert_same(json.iter().map(String::as_str), &rounded, step);

        let parquet = export(&running, &Scope::All, range, step, ExportFormat::Parquet).await?;
        let parquet = lines_of_parquet(&parquet, folder.path())?;
        assert_same(parquet.iter().map(String::as_str), &expected, step);
    }
    running.stop().await
}

/// A line with twelve places of its coverage.
fn rounded(line: &str) -> String {
    let (rest, coverage) = line.rsplit_once(',').unwrap_or_default();
    format!("{rest},{:.12}", coverage.parse().unwrap_or(-1.0))
}

/// The first line that differs is told, not all.
fn assert_same<'a>(found: impl Iterator<Item = &'a str>, expected: &[String], step: Step) {
    let found: Vec<&str> = found.collect();
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found, expected, "{step:?}, point {at}");
    }
    assert_eq!(found.len(), expected.len(), "{step:?}");
}

/// The same lines that a table of comma-separated values has.
fn lines_of_json(json: &[u8]) -> anyhow::Result<Vec<String>> {
    let json: Value = serde_json::from_slice(json)?;
    let mut lines = Vec::new();
    for series in json["series"].as_array().into_iter().flatten() {
        for point in series["points"].as_array().into_iter().flatten() {
            let coverage = point["coverage"].as_f64().unwrap_or(-1.0);
            let word = |name: &str| point[name].to_string().replace('"', "");
            lines.push(format!(
                "{},{},{},{},{},{},{},{},{coverage}",
                series["service"].as_str().unwrap_or_default(),
                word("t"),
                word("up_bytes"),
                word("down_bytes"),
                word("up_bytes_per_second"),
                word("down_bytes_per_second"),
                word("up_peak_bytes_per_second"),
                word("down_peak_bytes_per_second"),
            ));
        }
    }
    Ok(lines)
}

/// What another program reads in the file: DuckDB's own reader of Parquet.
fn lines_of_parquet(bytes: &[u8], folder: &std::path::Path) -> anyhow::Result<Vec<String>> {
    let path = folder.join("export.parquet");
    std::fs::write(&path, bytes)?;
    let duckdb = duckdb::Connection::open_in_memory()?;
    let mut statement = duckdb.prepare(
        "SELECT service, epoch_ms(t), up_bytes, down_bytes, up_bytes_per_second,
                down_bytes_per_second, up_peak_bytes_per_second, down_peak_bytes_per_second, coverage
         FROM read_parquet(?)",
    )?;
    let rows = statement.query_map([path.display().to_string()], |row| {
        let point = Point {
            t: Timestamp::from_millisecond(row.get(1)?).unwrap_or_default(),
            up_bytes: row.get(2)?,
            down_bytes: row.get(3)?,
            up_bytes_per_second: row.get(4)?,
            down_bytes_per_second: row.get(5)?,
            up_peak_bytes_per_second: row.get(6)?,
            down_peak_bytes_per_second: row.get(7)?,
            coverage: row.get(8)?,
        };
        Ok(text(&(row.get(0)?, point)))
    })?;
    Ok(rows.collect::<duckdb::Result<_>>()?)
}

#[tokio::test]
async fn samples_as_they_came_and_nothing_at_all_can_be_exported() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let settings = Config { samples_per_service: 100_000, ..config(folder.path()) };
    let running = Running::start(settings, "UTC")?;
    let range = fill(&running).await?;
    let one = Scope::One(ServiceId::new("web-1")?);
    let raw = running.reader.history(&one, range, Step::Raw).await?.remove(0).points;
    assert!(raw.len() > 6000, "{}", raw.len());
    let csv = export(&running, &one, range, Step::Raw, ExportFormat::Csv).await?;
    let lines: Vec<String> = raw.into_iter().map(|point| text(&("web-1".into(), point))).collect();
    assert_eq!(String::from_utf8(csv)?.lines().skip(1).collect::<Vec<_>>(), lines);

    let nobody = Scope::One(ServiceId::new("nobody")?);
    let asked = running.reader.export(&nobody, range, Step::Hour, ExportFormat::Csv);
    assert!(asked.is_err_and(|error| error.to_string().contains("nobody")));
    let before = Range::new(
        range.from - jiff::SignedDuration::from_hours(99),
        range.from - jiff::SignedDuration::from_hours(9),
    )?;
    let csv = export(&running, &one, before, Step::Hour, ExportFormat::Csv).await?;
    assert_eq!(String::from_utf8(csv)?.lines().count(), 1, "the head alone");
    let parquet = export(&running, &one, before, Step::Hour, ExportFormat::Parquet).await?;
    assert!(lines_of_parquet(&parquet, folder.path())?.is_empty());
    let json = export(&running, &one, before, Step::Hour, ExportFormat::Json).await?;
    assert!(lines_of_json(&json)?.is_empty());
    running.stop().await
}
