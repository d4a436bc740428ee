//! The other pages in a browser.

use anyhow::Result;
use komandorr_web::Family;

use crate::{
    browser::Browser,
    support::{FLEET, Stage, now_ms, played, sample, sample_at},
};

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
        assert!(browser.text(".cov p").await?.contains("amples cover "), "{range}");
    }
    browser.goto(&stage.url("/services/edge-fra-01")).await?;
    browser.until_live().await?;
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
    browser.click(".nothing a").await?;
    browser.until("document.querySelector('.line.up')?.getAttribute('d').startsWith('M')").await?;
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_service_is_added_and_its_first_sample_is_announced() -> Result<()> {
    let stage = Stage::open().await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/add")).await?;
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
    browser.until_live().await?;
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
    let asked = browser.text(".form p").await?;
    assert!(asked.contains("all its stored traffic: ") && asked.contains(" TB that"), "{asked}");
    browser.click("main form button").await?;
    browser.until("location.pathname === '/'").await?;
    assert!(stage.registry.get("edge-fra-01").is_none());
    // A taken or impossible id comes back with its reason.
    browser.goto(&stage.url("/add")).await?;
    browser.keys("#a-id", "gateway-zrh").await?;
    browser.keys("#a-n", "Gate\u{e007}").await?;
    browser.until("document.querySelector('#e-id')").await?;
    assert!(browser.text("#e-id").await?.contains("exists already"));
    assert_eq!(browser.attribute("#a-n", "value").await?, "Gate");
    browser.goto(&stage.url("/add")).await?;
    browser.keys("#a-id", "edge-waw-03\u{e007}").await?;
    browser.until("document.querySelector('.cmd code')").await?;
    assert!(stage.registry.get("edge-waw-03").is_some());
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn the_pipeline_tells_what_is_kept_and_who_catches_up() -> Result<()> {
    let stage = Stage::open().await?;
    // Ten minutes that nobody took, in one go.
    let (now, host) = (now_ms(), FLEET[0]);
    let kept = |seq: u64| host.sample(now - 900_000 + seq as i64 * 5000, 5, seq);
    let samples: Vec<_> = (1..=120).map(kept).collect();
    stage.publish(host.id, &samples).await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/status")).await?;
    let clock = browser
        .text("section[aria-labelledby=h-agents] .late, section[aria-labelledby=h-agents] .long")
        .await?;
    assert!(clock.starts_with("catching up, 5 min"), "{clock}");
    let kept = browser.texts("section[aria-labelledby=h-store] tbody tr").await?;
    assert!(kept[0].starts_with("Samples as they came 120"), "{kept:?}");
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn the_pipeline_tells_who_is_connected_and_how_much_comes() -> Result<()> {
    let door = |door: &str, count| (format!("{{door=\"{door}\"}}"), count);
    let connections = Family {
        name: "komandorr_mqtt_connections",
        kind: "gauge",
        help: "Clients",
        values: vec![door("tcp", 2.0), door("ws", 1.0)],
    };
    let figures = move || vec![connections.clone()];
    let stage = Stage::with(|app| app.figures = std::sync::Arc::new(figures)).await?;
    let page = reqwest::get(stage.url("/status")).await?.text().await?;
    assert!(page.contains("3 connected to the broker now. Seen in the last hour"), "{page}");
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/status")).await?;
    let samples: Vec<_> = (0..100).map(|i| sample_at(now_ms() - i * 5000, 1000, 0, 5)).collect();
    stage.publish("web-1", &samples).await?;
    // The page is drawn anew every five seconds.
    browser.until("parseFloat(document.querySelector('.sum .fig').textContent) > 0").await?;
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn the_script_and_the_server_write_the_same_units() -> Result<()> {
    let stage = Stage::open().await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/status")).await?;
    let script = browser.attribute("script[src*='chart']", "src").await?;
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
