//! A range of time: what the page shows of it is what its figures are of.

use anyhow::{Context, Result};
use komandorr_collector::read::Step;
use serde_json::Value;

use crate::support::{Stage, now_ms, sample_at};

const MINUTE_MS: i64 = 60_000;

/// A service's page of a range.
async fn page(stage: &Stage, query: &str) -> Result<String> {
    let answer = reqwest::get(stage.url(&format!("/services/web-1?{query}"))).await?;
    assert_eq!(answer.status(), 200, "{query}");
    Ok(answer.text().await?)
}

/// What stands between two texts for the first time.
fn between<'a>(page: &'a str, before: &str, after: &str) -> Result<&'a str> {
    let rest = page.split_once(before).with_context(|| before.to_owned())?.1;
    Ok(rest.split_once(after).with_context(|| after.to_owned())?.0)
}

/// Moments between which the chart is drawn, Unix milliseconds.
fn edges(page: &str) -> Result<(i64, i64)> {
    let edge = |name: &str| anyhow::Ok(between(page, &format!("{name}=\""), "\"")?.parse()?);
    Ok((edge("data-from")?, edge("data-to")?))
}

/// Asserts that no two points of upload lie above each other.
fn assert_no_stroke(page: &str) -> Result<()> {
    let line = between(page, "class=\"line up\" d=\"", "\"")?;
    let xs: Vec<i64> = line
        .split(['M', ' '])
        .filter_map(|pair| pair.split_once(','))
        .map(|(x, _)| x.parse())
        .collect::<Result<_, _>>()?;
    assert!(xs.len() > 50 && xs.is_sorted_by(|a, b| a < b), "{line}");
    Ok(())
}

/// Samples of five seconds up to a moment, each faster than the one before.
fn samples(until_ms: i64, count: i64) -> Vec<komandorr_wire::Sample> {
    let sample = |i: i64| {
        let speed = 1_000_000 + i as u64 * 1000;
        sample_at(until_ms - (count - 1 - i) * 5000, speed, 0, 5)
    };
    (0..count).map(sample).collect()
}

fn time(ms: i64) -> Result<String> {
    Ok(jiff::Timestamp::from_millisecond(ms)?.to_string())
}

#[tokio::test]
async fn a_zoomed_range_shows_all_that_its_figures_are_of() -> Result<()> {
    let stage = Stage::open().await?;
    // Ten minutes from a round moment, between twenty that are not asked for.
    let begin = (now_ms() - 90 * MINUTE_MS) / (10 * MINUTE_MS) * 10 * MINUTE_MS;
    let end = begin + 10 * MINUTE_MS;
    stage.publish("web-1", &samples(end + 10 * MINUTE_MS, 360)).await?;
    let inside = 120..240u64;
    let bytes: u64 = inside.map(|i| (1_000_000 + i * 1000) * 5).sum();
    let asked = (time(begin + 4 * MINUTE_MS + 30_000)?, time(begin + 5 * MINUTE_MS + 30_000)?);
    let whole = page(&stage, &format!("from={}&to={}", time(begin)?, time(end)?)).await?;
    assert!(!whole.contains("Figures are of whole"), "{whole}");
    let page = page(&stage, &format!("from={}&to={}", asked.0, asked.1)).await?;
    assert_eq!(edges(&page)?, (begin, end));
    let heading = between(&page, "<h2 id=\"h-ch\">", "</h2>")?;
    let widened = format!("Figures are of whole five minutes: shown is {heading}.");
    assert_eq!(between(&page, "id=\"h-range\">", "</p>")?, widened);
    assert_no_stroke(&page)?;
    let volume = format!("{:.2}<span class=\"u\">MB</span>", bytes as f64 / 1e6);
    assert!(page.contains(&format!("<dd class=\"fig\">{volume}")), "no {volume}: {page}");
    assert!(page.contains("volume of this range"));
    let csv = between(&page, "/api/traffic/export?", "\"")?.replace("&#38;", "&");
    assert!(csv.contains(&format!("from={}&to={}", time(begin)?, time(end)?)), "{csv}");
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn the_last_hour_begins_where_its_figures_do() -> Result<()> {
    let stage = Stage::open().await?;
    let begun = now_ms();
    stage.publish("web-1", &samples(begun, 900)).await?;
    let page = page(&stage, "range=hour").await?;
    let (from, to) = edges(&page)?;
    assert_eq!(from % (5 * MINUTE_MS), 0, "{from}");
    assert!((begun..now_ms() + 1).contains(&to), "{to}");
    assert!((60 * MINUTE_MS..65 * MINUTE_MS).contains(&(to - from)), "{from} {to}");
    assert_no_stroke(&page)?;
    assert!(page.contains("volume since "));
    assert!(page.contains("95th percentile of upload's 5-minute means"), "{page}");
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn what_is_kept_as_hours_alone_is_told_in_hours() -> Result<()> {
    let two_days = std::time::Duration::from_hours(48);
    let stage = Stage::storing(|store| store.keep_five_minutes = two_days).await?;
    // An hour of five days ago: hours are kept of it, and nothing finer is said to be.
    let until = now_ms() - 5 * 24 * 60 * MINUTE_MS;
    stage.publish("web-1", &[sample_at(until, 1_000_000, 0, 3600)]).await?;
    let range = format!("from={}&to={}", time(until - 600 * MINUTE_MS)?, time(until)?);
    let history = reqwest::get(stage.url(&format!("/api/traffic/history?{range}"))).await?;
    let history: Value = history.json().await?;
    assert_eq!(history["step_seconds"], Step::Hour.length_ms().unwrap_or_default() / 1000);
    let points = history["series"][0]["points"].as_array().context("points")?;
    let bytes: u64 = points.iter().filter_map(|point| point["up_bytes"].as_u64()).sum();
    assert_eq!(bytes, 3_600_000_000);
    let page = page(&stage, &range).await?;
    assert!(page.contains("means of an hour"), "{page}");
    assert!(page.contains("Figures are of whole hours: shown is "), "{page}");
    assert!(page.contains("95th percentile of upload's hourly means"), "{page}");
    assert_eq!(page.matches("<dd class=\"sub\">of hourly means</dd>").count(), 2, "{page}");
    let analytics = reqwest::get(stage.url("/analytics?weeks=1")).await?.text().await?;
    assert_eq!(analytics.matches("<dd class=\"sub\">of hourly means</dd>").count(), 2);
    assert!(analytics.contains("Of hourly means, per direction"), "{analytics}");
    assert!(between(&page, "class=\"line up\" d=\"", "\"")?.starts_with('M'));
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_range_that_ends_before_it_begins_comes_back_with_what_is_wrong() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &samples(now_ms(), 60)).await?;
    let typed = "from=2026-11-20T20:00&to=2026-11-20T19:00&per=week";
    let answer = reqwest::get(stage.url(&format!("/services/web-1?{typed}"))).await?;
    assert_eq!(answer.status(), 422);
    let page = answer.text().await?;
    assert_eq!(
        between(&page, "id=\"e-range\" role=\"alert\">", " Shown")?,
        "From must be before to."
    );
    let value = |field: &str| between(&page, &format!("id=\"{field}\""), "required");
    assert!(value("r-from")?.contains("value=\"2026-11-20T20:00\""), "{page}");
    assert!(value("r-to")?.contains("value=\"2026-11-20T19:00\""), "{page}");
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn another_range_keeps_what_the_volumes_are_per() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &samples(now_ms(), 60)).await?;
    let page = page(&stage, "range=custom&per=week").await?;
    assert!(page.contains("<input type=\"hidden\" name=\"per\" value=\"week\">"), "{page}");
    assert_eq!(between(&page, "data-zoom=\"", "\"")?, "/services/web-1?per=week");
    stage.close().await?;
    Ok(())
}
