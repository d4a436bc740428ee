//! The other pages in a browser, and what holds for all of them.

use anyhow::Result;

use crate::{
    browser::Browser,
    support::{FLEET, Stage, now_ms, play, sample},
};

const PAGES: [&str; 8] = [
    "/",
    "/services/edge-fra-01",
    "/services/edge-fra-01?range=custom",
    "/services/edge-fra-01/remove",
    "/services/new",
    "/analytics",
    "/status",
    "/nothing-here",
];

/// A few services with two days of history.
async fn played() -> Result<Stage> {
    let stage = Stage::open().await?;
    for host in &FLEET[..4] {
        play(&stage, host, 2, now_ms(), 0).await?;
    }
    stage
        .publish(
            "a-name-that-is-longer-than-its-place-and-then-some-more-of-it-01",
            &[sample(9000, 1, 5)],
        )
        .await?;
    Ok(stage)
}

#[tokio::test]
async fn no_page_scrolls_sideways_or_complains_in_any_theme_and_width() -> Result<()> {
    let stage = played().await?;
    stage.publish_bytes("edge-fra-01", b"nonsense".to_vec()).await?;
    let browser = Browser::open().await?;
    for path in PAGES {
        browser.goto(&stage.url(path)).await?;
        for scheme in ["dark", "light"] {
            browser.prefers(scheme).await?;
            for width in [360, 768, 1280, 2560] {
                browser.width(width).await?;
                let overflow = browser
                    .run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
                    .await?;
                assert_eq!(overflow, 0, "{path} {scheme} {width}");
            }
        }
        let origins = browser
            .run(
                "return performance.getEntriesByType('resource')
                     .filter((file) => !file.name.startsWith(location.origin)).map((file) => file.name)",
            )
            .await?;
        assert_eq!(origins, serde_json::json!([]), "{path}");
        let errors = browser.errors().await?;
        let expected = usize::from(path == "/nothing-here");
        assert_eq!(errors.len(), expected, "{path}: {errors:?}");
    }
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn dark_and_light_follow_the_system_and_the_switch() -> Result<()> {
    let stage = Stage::open().await?;
    let browser = Browser::open().await?;
    browser.prefers("light").await?;
    browser.goto(&stage.url("/status")).await?;
    let ground = "return getComputedStyle(document.body).backgroundColor";
    assert_eq!(browser.run(ground).await?, "rgb(246, 246, 247)");
    browser.prefers("dark").await?;
    assert_eq!(browser.run(ground).await?, "rgb(10, 11, 13)");
    browser.click(".to-light").await?;
    browser.until("document.documentElement.dataset.theme === 'light'").await?;
    assert_eq!(browser.run(ground).await?, "rgb(246, 246, 247)");
    assert!(browser.url().await?.ends_with("/status"));
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn every_range_has_its_chart_and_dragging_zooms() -> Result<()> {
    let stage = played().await?;
    let browser = Browser::open().await?;
    for (range, heading) in [
        ("hour", "Last hour"),
        ("day", "Last 24 hours"),
        ("week", "Last 7 days"),
        ("month", "Last 30 days"),
        ("year", "Last 365 days"),
    ] {
        browser.goto(&stage.url(&format!("/services/edge-fra-01?range={range}"))).await?;
        assert_eq!(browser.text("#h-ch").await?, heading);
        let line = browser.attribute(".line.up", "d").await?;
        assert!(line.starts_with('M'), "{range}: {line}");
        assert!(browser.text(".cov p").await?.starts_with("Samples cover "), "{range}");
    }
    browser.goto(&stage.url("/services/edge-fra-01")).await?;
    browser.until("document.querySelector('#stream .word').textContent === 'Live'").await?;
    let place = browser
        .run("const b = document.querySelector('.plot').getBoundingClientRect(); return [b.left, b.top, b.width]")
        .await?;
    let number = |i: usize| place[i].as_f64().unwrap_or_default() as i64;
    let (left, top, width) = (number(0), number(1), number(2));
    browser.drag((left + width / 4, top + 100), (left + width / 2, top + 100)).await?;
    browser.until("location.search.includes('from=') && document.querySelector('#r-from')").await?;
    assert!(browser.text("#h-ch").await?.contains(" to "));
    assert!(browser.attribute(".line.up", "d").await?.starts_with('M'));
    browser.goto(&stage.url("/services/edge-fra-01?from=2020-01-01&to=2020-01-02")).await?;
    assert!(browser.text(".nothing").await?.starts_with("No sample lies between 1 January 2020"));
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_service_is_added_and_its_first_sample_is_announced() -> Result<()> {
    let stage = Stage::open().await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/services/new")).await?;
    browser.keys("#a-id", "edge-waw-03").await?;
    browser.keys("#a-n", "Warsaw\u{e007}").await?;
    browser.until("document.querySelector('#wait-edge-waw-03')").await?;
    let token = browser.text(".cmd code").await?;
    assert!(token.starts_with("kmd_"), "{token}");
    assert!(stage.registry.agent_may("edge-waw-03", &token));
    let commands = browser.run("return document.querySelector('main').textContent").await?;
    for word in ["systemctl enable", "docker run", "--network host", "network_mode: host"] {
        assert!(commands.as_str().unwrap_or_default().contains(word), "{word}");
    }
    browser.until("document.querySelector('#stream .word').textContent === 'Live'").await?;
    stage.publish("edge-waw-03", &[sample(1000, 1000, 5)]).await?;
    browser.until("document.querySelector('#wait-edge-waw-03 a')").await?;
    browser.click("#wait-edge-waw-03 a").await?;
    browser.until("document.querySelector('h1')?.textContent === 'Warsaw'").await?;
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn forms_keep_what_was_typed_and_say_what_is_wrong() -> Result<()> {
    let stage = played().await?;
    let browser = Browser::open().await?;
    browser.without_scripts().await?;
    browser.goto(&stage.url("/services/edge-fra-01")).await?;
    browser.keys("#f-group", " West").await?;
    browser.keys("#f-cap", "fast\u{e007}").await?;
    browser.until("document.querySelector('#e-cap')").await?;
    assert!(browser.text("#e-cap").await?.contains("1Gbps"));
    assert_eq!(browser.attribute("#f-cap", "value").await?, "fast");
    assert_eq!(browser.attribute("#f-group", "value").await?, "Edge West");
    browser.keys("#f-cap", "\u{e003}\u{e003}\u{e003}\u{e003}10Gbps\u{e007}").await?;
    browser.until_url("saved=1").await?;
    assert_eq!(browser.text("#details [role=status]").await?, "Saved.");
    let service = stage.registry.get("edge-fra-01");
    let capacity = service.and_then(|service| service.capacity_bytes_per_second);
    assert_eq!(capacity, Some(1_250_000_000));
    // A token is shown once, and the one before stops.
    browser.click("form[action$='/token'] button").await?;
    let token = browser.text(".cmd code").await?;
    assert!(stage.registry.agent_may("edge-fra-01", &token));
    // Removal asks first.
    browser.goto(&stage.url("/services/edge-fra-01")).await?;
    browser.click("a[href$='/remove']").await?;
    assert!(browser.text(".form p").await?.contains("all its stored traffic"));
    browser.click("main form button").await?;
    browser.until("location.pathname === '/'").await?;
    assert!(stage.registry.get("edge-fra-01").is_none());
    // A taken or impossible id comes back with its reason.
    browser.goto(&stage.url("/services/new")).await?;
    browser.keys("#a-id", "gateway-zrh").await?;
    browser.keys("#a-n", "Gate\u{e007}").await?;
    browser.until("document.querySelector('#e-id')").await?;
    assert!(browser.text("#e-id").await?.contains("exists already"));
    assert_eq!(browser.attribute("#a-n", "value").await?, "Gate");
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

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

#[tokio::test]
async fn the_keyboard_reaches_everything_with_a_visible_focus() -> Result<()> {
    let stage = played().await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/")).await?;
    browser.keys("body", "\u{e004}").await?;
    assert_eq!(browser.run("return document.activeElement.className").await?, "skip");
    let mut seen = Vec::new();
    for _ in 0..40 {
        if browser.run("return document.activeElement === document.body").await? == true {
            break;
        }
        let here = browser
            .run(
                "const e = document.activeElement; const s = getComputedStyle(e);
                 const around = getComputedStyle(e, '::before');
                 return [e.id || e.className || e.textContent.trim().slice(0, 20),
                         s.outlineStyle !== 'none' || around.outlineStyle !== 'none' || e.className === 'skip']",
            )
            .await?;
        assert_eq!(here[1], true, "no visible focus: {here}");
        seen.push(here[0].as_str().unwrap_or_default().to_owned());
        browser.press("\u{e004}").await?;
    }
    for wanted in ["cards", "frame", "q"] {
        assert!(seen.iter().any(|id| id == wanted), "{wanted} is not among {seen:?}");
    }
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn the_script_and_the_server_write_the_same_units() -> Result<()> {
    let stage = Stage::open().await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/status")).await?;
    let script = browser.attribute("script", "src").await?;
    let values = "[0, 4.9, 999, 999400, 999950, 999994.9, 999995, 999994000, 999996000, 1.25e9, 1e12, 1e13, NaN]";
    let words = browser
        .run_async(&format!("import('{script}').then((m) => done({values}.map(m.rate)))"))
        .await?;
    assert_eq!(
        words,
        serde_json::json!([
            "0.00 KB/s",
            "0.00 KB/s",
            "1.00 KB/s",
            "999.40 KB/s",
            "999.95 KB/s",
            "999.99 KB/s",
            "1.00 MB/s",
            "999.99 MB/s",
            "1.00 GB/s",
            "1.25 GB/s",
            "1000.00 GB/s",
            "10000 GB/s",
            "–"
        ])
    );
    browser.close().await?;
    stage.close().await?;
    Ok(())
}
