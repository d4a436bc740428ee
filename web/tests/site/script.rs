//! What the scripts add to a page, and what they do when something is wrong.

use anyhow::Result;
use komandorr_collector::registry::ServiceDetails;
use komandorr_wire::{Sample, ServiceId};
use serde_json::json;

use crate::{
    browser::Browser,
    support::{Stage, now_ms, sample, sample_at, steady},
};

const ARROW_LEFT: &str = "\u{e012}";
const END: &str = "\u{e010}";
const HOME: &str = "\u{e011}";
const PAGE_UP: &str = "\u{e00e}";

#[tokio::test]
async fn a_page_that_cannot_be_loaded_anew_says_so_until_it_can() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1_000_000, 0, 5)]).await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/services/web-1?range=hour")).await?;
    browser.until_live().await?;
    let id = ServiceId::new("web-1")?;
    stage.registry.remove(&id)?;
    browser.until("!document.querySelector('#past').hidden").await?;
    let words = browser.text("#past").await?;
    let gone = "Not found. There is no service \"web-1\". Charts and tables below are of ";
    assert!(words.starts_with(gone), "{words}");
    assert_eq!(browser.run("return document.querySelector('#say').textContent").await?, words);
    stage.registry.register(&id, ServiceDetails::default())?;
    browser.until("document.querySelector('#past').hidden").await?;
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn ages_are_told_by_the_servers_clock() -> Result<()> {
    let stage = Stage::open().await?;
    let browser = Browser::open().await?;
    let wrong = "const now = Date.now; Date.now = () => now() + 3 * 3600 * 1000";
    let script = json!({"source": wrong});
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", script).await?;
    stage.publish("web-1", &[sample(1_000_000, 0, 5)]).await?;
    browser.goto(&stage.url("/")).await?;
    browser.until_live().await?;
    // It counts on from what the server said.
    let age = "document.querySelector('#row-web-1 [data-age]').textContent";
    for seconds in ["3 s", "4 s"] {
        browser.until(&format!("{age} === '{seconds}'")).await?;
    }
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn every_point_of_a_chart_with_gaps_is_reached_by_keys() -> Result<()> {
    let stage = Stage::open().await?;
    let minutes_ago = |minutes: i64, speed| sample_at(now_ms() - minutes * 60_000, speed, 0, 5);
    let samples =
        [minutes_ago(50, 1_000_000), minutes_ago(30, 2_000_000), minutes_ago(10, 3_000_000)];
    stage.publish("web-1", &samples).await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/services/web-1?range=hour")).await?;
    let told = async |key: &str| -> Result<String> {
        browser.keys(".frame", key).await?;
        browser.text(".cross .val").await
    };
    assert_eq!(told(END).await?, "3.00 MB/s");
    let mut seen = Vec::new();
    // Each lone sample is a stroke of at most three points.
    for _ in 0..9 {
        seen.push(told(ARROW_LEFT).await?);
    }
    seen.dedup();
    assert_eq!(seen.last().map(String::as_str), Some("1.00 MB/s"), "{seen:?}");
    assert!(seen.iter().any(|told| told == "2.00 MB/s"), "{seen:?}");
    assert_eq!(told(END).await?, "3.00 MB/s");
    assert_eq!(told(HOME).await?, "1.00 MB/s");
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_crosshair_tells_what_is_at_its_place_when_its_chart_moves_on() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &steady(120)).await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/")).await?;
    browser.until_live().await?;
    browser.run("document.querySelector('#fleet .frame').focus()").await?;
    for _ in 0..4 {
        browser.keys("#fleet .frame", PAGE_UP).await?;
    }
    let (place, edge) = ("return document.querySelector('#fleet .frame').dataset.x", "dataset.to");
    let before = browser.run(place).await?;
    assert!(before.is_string(), "no place");
    let told = "document.querySelector('#fleet .cross .val').textContent";
    assert_eq!(browser.run(&format!("return {told}")).await?, "1.50 MB/s");
    let frame = "document.querySelector('#fleet .frame')";
    browser.run(&format!("window.edge = {frame}.{edge}")).await?;
    // Of the time that is on the chart already, five times as much.
    let more = steady(120).into_iter().map(|sample| Sample { up: sample.up * 5, ..sample });
    stage.publish("web-2", &more.collect::<Vec<_>>()).await?;
    browser.until(&format!("{told} === '9.00 MB/s'")).await?;
    browser.until(&format!("{frame}.{edge} !== window.edge")).await?;
    let after = browser.run(place).await?;
    let number = |place: &serde_json::Value| place.as_str().unwrap_or_default().parse::<f64>();
    // It stands on a point, of which the nearest may be a little to the side.
    assert!((number(&before)? - number(&after)?).abs() < 3.0, "{before} {after}");
    assert_eq!(browser.run("return document.querySelectorAll('#fleet .cross').length").await?, 1);
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_finger_reads_a_chart_where_it_is_and_the_whole_of_the_box() -> Result<()> {
    let stage = Stage::open().await?;
    // More than the hour and the five minutes that its chart has at most.
    stage.publish("web-1", &steady(800)).await?;
    let browser = Browser::open().await?;
    browser.width(360).await?;
    browser.goto(&stage.url("/services/web-1?range=hour")).await?;
    for percent in [5, 35, 50, 65, 90] {
        let touched = browser
            .run(&format!(
                "const plot = document.querySelector('.plot'), at = plot.getBoundingClientRect();
                 plot.dispatchEvent(new PointerEvent('pointerdown', {{ bubbles: true,
                     pointerType: 'touch', clientX: at.left + at.width * {percent} / 100, clientY: at.top + 90 }}));
                 plot.dispatchEvent(new PointerEvent('pointerout', {{ bubbles: true, pointerType: 'touch' }}));
                 const box = document.querySelector('.cross rect').getBoundingClientRect();
                 return [Number(document.querySelector('.frame').dataset.x), box.left - at.left, at.right - box.right]"
            ))
            .await?;
        let number = |i: usize| touched[i].as_f64().unwrap_or(f64::NAN);
        assert!((number(0) - f64::from(percent)).abs() < 1.0, "{percent}: {touched}");
        assert!(number(1) >= -1.0 && number(2) >= -1.0, "{percent}: {touched}");
    }
    // Of a wide screen that is turned, the box stays inside too.
    browser.width(1280).await?;
    browser.run("const f = document.querySelector('.frame'); f.dataset.x = 60; f.focus()").await?;
    browser.width(360).await?;
    browser
        .until(
            "document.querySelector('.cross rect').getBoundingClientRect().right
                 <= document.querySelector('.plot').getBoundingClientRect().right + 1",
        )
        .await?;
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_tab_of_another_version_is_loaded_whole() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1_000_000, 0, 5)]).await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/")).await?;
    browser.until_live().await?;
    browser
        .run(
            "window.former = true;
             document.querySelector('link[rel=stylesheet]').setAttribute('href', '/assets/app-0.css')",
        )
        .await?;
    // Another row: the page is asked for anew.
    stage.publish("web-2", &[sample(1_000_000, 0, 5)]).await?;
    browser.until("!window.former && document.querySelector('#row-web-2')").await?;
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn what_an_extension_adds_makes_no_other_version() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1_000_000, 0, 5)]).await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/")).await?;
    browser.until_live().await?;
    browser
        .run(
            "window.former = true;
             const add = (name, fields) => document.head.append(Object.assign(document.createElement(name), fields));
             add('link', { rel: 'stylesheet', href: 'chrome-extension://extension/look.css' });
             add('script', { src: 'chrome-extension://extension/look.js' })",
        )
        .await?;
    // Another row: the page is asked for anew.
    stage.publish("web-2", &[sample(1_000_000, 0, 5)]).await?;
    browser.until("document.querySelector('#row-web-2')").await?;
    assert_eq!(browser.run("return window.former").await?, json!(true));
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn that_it_is_saved_is_said_once() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1_000_000, 0, 5)]).await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/services/web-1?saved=1#details")).await?;
    assert_eq!(browser.text("#details [role=status]").await?, "Saved.");
    browser.until("location.search === '' && location.hash === '#details'").await?;
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn times_are_told_in_the_servers_zone_whatever_the_browser_knows() -> Result<()> {
    let stage = Stage::open().await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/status")).await?;
    assert_eq!(browser.attribute("html", "data-zone").await?, "Europe/Berlin");
    let script = browser.attribute("script[src*='chart']", "src").await?;
    let zones = "[{ zone: 'Europe/Berlin' }, { zone: '+05:30', offset: 19800 }, { zone: 'No/Where', offset: -3600 }]";
    let told = browser
        .run_async(&format!(
            "import('{script}').then(({{ clock }}) => done({zones}.map((zone) => clock(zone)(0).slice(-8))))"
        ))
        .await?;
    assert_eq!(told, json!(["01:00:00", "05:30:00", "23:00:00"]));
    browser.close().await?;
    stage.close().await?;
    Ok(())
}
