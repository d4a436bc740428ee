//! The page of hours and weeks, and its files.

use anyhow::{Context, Result};

use komandorr_web::Config;

use crate::{
    browser::Browser,
    live::until_figure,
    support::{FLEET, Stage, now_ms, play, played},
};

#[tokio::test]
async fn analytics_say_in_words_what_they_show_in_colour() -> Result<()> {
    let stage = played().await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/analytics?weeks=1")).await?;
    assert_eq!(browser.texts(".heat tbody td").await?.len(), 168);
    let busiest = browser.text(".heatrow .big").await?;
    assert!(busiest.contains("day, ") && busiest.contains(":00 to "), "{busiest}");
    let talkers = browser.texts(".talk tbody th a").await?;
    assert_eq!(talkers.first().map(String::as_str), Some("edge-fra-01"));
    browser.goto(&stage.url("/analytics?of=group:Storage")).await?;
    assert_eq!(browser.texts(".talk tbody th a").await?, ["mirror-nbg-01"]);
    assert!(browser.text(".head p").await?.starts_with("Group Storage"));
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

/// A file that a page links to, as rows of cells.
async fn file(stage: &Stage, path: &str) -> Result<Vec<Vec<String>>> {
    let answer = reqwest::get(stage.url(path)).await?;
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8", "{path}");
    assert!(answer.headers()["content-disposition"].to_str()?.contains(".csv\""), "{path}");
    let text = answer.error_for_status()?.text().await?;
    let row = |line: &str| line.split(',').map(str::to_owned).collect();
    Ok(text.lines().map(row).collect())
}

fn column(rows: &[Vec<String>], name: &str) -> Result<Vec<String>> {
    let head = rows.first().context("a head")?;
    let at = head.iter().position(|cell| cell == name).with_context(|| name.to_owned())?;
    Ok(rows.iter().skip(1).map(|row| row[at].clone()).collect())
}

#[tokio::test]
async fn every_view_of_the_analytics_is_a_file_with_the_same_rows() -> Result<()> {
    let stage = played().await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/analytics?of=group:Edge&weeks=1")).await?;
    let links = browser
        .run("return [...document.querySelectorAll('main a[download]')].map((a) => a.getAttribute('href'))")
        .await?;
    let link = |name: &str| -> Result<String> {
        let found = links.as_array().into_iter().flatten().filter_map(|link| link.as_str());
        let mut of_name = found.filter(|link| link.contains(name));
        Ok(of_name.next().with_context(|| format!("{name} among {links}"))?.to_owned())
    };
    let hours = file(&stage, &link("hours.csv")?).await?;
    assert!(link("hours.csv")?.contains("of=group:Edge&weeks=1"), "{links}");
    assert_eq!(hours.len(), 1 + 168);
    let seen = column(&hours, "hours_seen")?;
    let shown = browser.texts(".heat tbody td:not(.none)").await?.len();
    assert_eq!(seen.iter().filter(|cell| *cell != "0").count(), shown);
    let week = file(&stage, &link("week.csv")?).await?;
    assert_eq!(column(&week, "day")?[..2], ["Monday", "Tuesday"]);
    assert_eq!(week.len(), 1 + 7 + 1);
    let talkers = file(&stage, &link("talkers.csv")?).await?;
    assert_eq!(column(&talkers, "service")?, ["edge-fra-01"]);
    assert_eq!(column(&talkers, "share_percent")?, ["100.00"]);
    browser.goto(&stage.url("/services/edge-fra-01?per=hour")).await?;
    let volumes = browser.attribute("#volumes a[download]", "href").await?;
    let rows = file(&stage, &volumes).await?;
    assert_eq!(rows.len() - 1, browser.texts(".vols tbody tr").await?.len());
    assert!(column(&rows, "from")?[0].ends_with("+01:00"), "{rows:?}");
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

/// A speed or volume as a page shows it, in bytes.
fn bytes(shown: &str) -> Result<f64> {
    let end = shown.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(shown.len());
    let (number, unit) = shown.split_at(end);
    let power = ["B", "KB", "MB", "GB", "TB"]
        .iter()
        .position(|known| *known == unit.trim().trim_end_matches("/s"))
        .with_context(|| shown.to_owned())?;
    Ok(number.parse::<f64>()? * 1000f64.powi(i32::try_from(power)?))
}

/// Whether a page shows a number of a file, to the last digit that it shows.
fn shows(shown: &str, exact: &str) -> Result<bool> {
    let exact: f64 = exact.parse()?;
    Ok((bytes(shown)? - exact).abs() <= exact * 0.005)
}

#[tokio::test]
async fn percentiles_and_weeks_on_the_page_are_those_of_the_files() -> Result<()> {
    let stage = Stage::open().await?;
    play(&stage, &FLEET[0], 15, now_ms(), 0).await?;
    let browser = Browser::open().await?;
    let view = "of=service:edge-fra-01&weeks=1";
    let talkers = file(&stage, &format!("/analytics/talkers.csv?{view}")).await?;
    browser.goto(&stage.url(&format!("/analytics?{view}"))).await?;
    let row = browser.texts("[aria-labelledby=h-p95] tbody td").await?;
    let whole = browser.texts(".heatrow .big").await?;
    for (i, name) in ["up_p95_bytes_per_second", "down_p95_bytes_per_second"].iter().enumerate() {
        let exact = &column(&talkers, name)?[0];
        assert!(shows(&row[i], exact)?, "{name}: {exact} as {}", row[i]);
        assert!(shows(&whole[2 + i], exact)?, "{name}: {exact} as {}", whole[2 + i]);
    }
    // Five minutes of the last week may come in between: then once more.
    let (week, days, sum) = loop {
        let week = file(&stage, &format!("/analytics/week.csv?{view}")).await?;
        browser.goto(&stage.url(&format!("/analytics?{view}"))).await?;
        let days = browser.texts(".weekrow tbody td").await?;
        let sum = browser.texts(".weekrow tfoot td").await?;
        if file(&stage, &format!("/analytics/week.csv?{view}")).await? == week {
            break (week, days, sum);
        }
    };
    let (new, old) = (column(&week, "this_week_bytes")?, column(&week, "last_week_bytes")?);
    let change = column(&week, "change_percent")?;
    for (i, shown) in days.chunks(3).chain([&sum[..]]).enumerate() {
        if !new[i].is_empty() {
            assert!(shows(&shown[0], &new[i])?, "{i}: {} as {}", new[i], shown[0]);
        }
        assert!(shows(&shown[1], &old[i])?, "{i}: {} as {}", old[i], shown[1]);
        if let Ok(percent) = change[i].parse::<f64>() {
            let shown: f64 = shown[2].trim_end_matches('%').trim().parse()?;
            assert!((shown - percent).abs() < 0.1, "{i}: {percent} as {shown}");
        }
    }
    assert!(!change[7].is_empty(), "two weeks can be compared: {week:?}");
    let told = browser.text("[aria-labelledby=h-week] .pager").await?;
    assert!(told.starts_with("Both weeks up to "), "{told}");
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn the_weeks_of_the_fleet_and_its_groups_are_in_memory_before_anybody_looks() -> Result<()> {
    let stage = played().await?;
    // The second of its group.
    play(&stage, &FLEET[4], 2, now_ms(), 0).await?;
    // At its end a store joins what has come.
    let folder = stage.close_keeping().await?;
    let stage = Stage::over(folder, "127.0.0.1:0".parse()?, Config::default(), |_| {}).await?;
    // Two days of five services, of their sum and of the group's, but for the last hours;
    // of hours there are fewer than a tenth.
    let most = |found| found > 7 * 2 * 288 * 19 / 20;
    until_figure(&stage, "komandorr_volumes_in_memory", most).await?;
    stage.close().await?;
    Ok(())
}
