//! The dashboard in a browser.

use anyhow::Result;
use komandorr_collector::registry::ServiceDetails;
use komandorr_wire::ServiceId;

use crate::{
    browser::Browser,
    support::{FLEET, Stage, now_ms, sample, steady},
};

/// Publishes a sample of every host of the fleet.
async fn fleet(stage: &Stage) -> Result<()> {
    for host in &FLEET {
        let group = host.group.map(str::to_owned);
        let details = ServiceDetails { group, ..ServiceDetails::default() };
        stage.registry.register(&ServiceId::new(host.id)?, details)?;
        stage.publish(host.id, &[host.sample(now_ms(), 5, 1)]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_dashboard_moves_when_a_sample_is_published() -> Result<()> {
    let stage = Stage::open().await?;
    let mut first = sample(2_500_000, 500_000, 5);
    first.capacity = Some(12_500_000);
    first.cpu_percent = Some(4.6);
    stage.publish("web-1", &[first.clone()]).await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/")).await?;
    assert_eq!(browser.text("#card-web-1 .mid b").await?, "20%");
    assert_eq!(browser.text("#card-web-1 .mini b").await?, "4.6");
    browser.until_live().await?;
    // Marked, to see that the card is changed and not replaced.
    browser.run("document.querySelector('#card-web-1 .arc').mark = 1").await?;
    first.up *= 3;
    stage.publish("web-1", &[first]).await?;
    browser.until("document.querySelector('#card-web-1 .mid b').textContent === '60%'").await?;
    browser
        .until("document.querySelector('#card-web-1 .arc').getAttribute('stroke-dasharray') === '60.0 100'")
        .await?;
    assert_eq!(browser.run("return document.querySelector('#card-web-1 .arc').mark").await?, 1);
    assert_eq!(browser.text("#row-web-1 td:nth-of-type(2)").await?, "7.50MB/s");
    browser.until("document.querySelector('#sum').textContent.includes('7.50MB/s')").await?;
    browser.until("document.querySelector('#row-web-1 .spark path')").await?;
    assert_eq!(browser.errors().await?, Vec::<String>::new());
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_new_service_appears_by_itself() -> Result<()> {
    let stage = Stage::open().await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/")).await?;
    assert_eq!(browser.text("h2").await?, "No service yet");
    browser.until_live().await?;
    stage.publish("web-1", &[sample(2_500_000, 500_000, 5)]).await?;
    browser
        .until("document.querySelector('#card-web-1') && document.querySelector('#row-web-1')")
        .await?;
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn the_five_busiest_have_their_colours_and_a_pulsing_dot() -> Result<()> {
    let stage = Stage::open().await?;
    fleet(&stage).await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/")).await?;
    let names = browser.texts("#cards .who a").await?;
    let expected = ["edge-fra-01", "stream-par-01", "mirror-nbg-01", "gateway-zrh", "edge-ams-02"];
    assert_eq!(names, expected);
    let colours = browser
        .run(
            "return [...document.querySelectorAll('#cards .card')]
                 .map((card) => getComputedStyle(card).getPropertyValue('--c'))",
        )
        .await?;
    let wanted = serde_json::json!(["#ec4899", "#8b5cf6", "#06b6d4", "#10b981", "#f59e0b"]);
    assert_eq!(colours, wanted);
    let pulse = "getComputedStyle(document.querySelector('#card-edge-fra-01 .dot'), '::after').animationName";
    assert_eq!(browser.run(&format!("return {pulse}")).await?, "pulse");
    let ring = "document.querySelector('#card-edge-fra-01 .ring').getBoundingClientRect().width";
    assert_eq!(browser.run(&format!("return {ring}")).await?, 200);
    // Without a known capacity: the speed, and no arc.
    assert!(browser.text("#card-gateway-zrh .mid").await?.contains("capacity unknown"));
    let arcs =
        browser.run("return document.querySelectorAll('#card-gateway-zrh .ring .arc').length");
    assert_eq!(arcs.await?, 0);
    // The busier overtakes; its colour goes with it.
    let mut busy = FLEET[4].sample(now_ms(), 5, 2);
    busy.up *= 40;
    stage.publish("edge-ams-02", &[busy]).await?;
    browser.until("document.querySelector('#cards .who a').textContent === 'edge-ams-02'").await?;
    let class = browser.attribute("#card-edge-ams-02", "class").await?;
    assert!(class.contains("c5"), "{class}");
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_silent_service_is_dimmed_and_says_since_when() -> Result<()> {
    let stage = Stage::open().await?;
    // A sample that says it ended two minutes ago, of an agent that is late.
    stage.publish("web-1", &[sample(5_000_000, 0, 5)]).await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/")).await?;
    browser.until("document.querySelector('#card-web-1.silent time[data-age]')").await?;
    assert!(browser.text("#card-web-1 .mid small").await?.starts_with("silent for "));
    assert!(browser.text("#row-web-1 .late").await?.starts_with("silent for "));
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn search_sort_tabs_and_pages_work_without_scripts() -> Result<()> {
    let stage = Stage::open().await?;
    fleet(&stage).await?;
    for i in 0..60u64 {
        stage.publish(&format!("host-{i:02}"), &[sample(2000 + i, 1000, 5)]).await?;
    }
    let browser = Browser::open().await?;
    browser.without_scripts().await?;
    browser.goto(&stage.url("/")).await?;
    assert_eq!(browser.text("#stream .word").await?, "As of");
    assert_eq!(browser.texts("#all tbody th a").await?.len(), 50);
    browser.click("#all .pager a[rel=next]").await?;
    browser.until_url("page=2").await?;
    assert_eq!(browser.texts("#all tbody th a").await?.len(), 22);
    assert_eq!(browser.text("#all .pager span").await?, "51 to 72 of 72");
    browser.click("#all .tabs a:nth-child(2)").await?;
    browser.until_url("group=Core").await?;
    assert_eq!(browser.texts("#all tbody th a").await?.len(), 5);
    assert!(browser.url().await?.ends_with("/?group=Core"));
    browser.click("#all thead th:first-child a").await?;
    browser.until_url("sort=service").await?;
    let names = browser.texts("#all tbody th a").await?;
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(browser.attribute("#all thead th:first-child", "aria-sort").await?, "ascending");
    browser.click("#all thead th:first-child a").await?;
    browser.until_url("order=desc").await?;
    assert!(browser.texts("#all tbody th a").await?.is_sorted_by(|a, b| a >= b));
    // The search keeps tab and order.
    browser.keys("#q", "lon\u{e007}").await?;
    browser.until_url("q=lon").await?;
    assert_eq!(browser.texts("#all tbody th a").await?, ["vpn-lon-01"]);
    assert!(browser.url().await?.contains("group=Core"));
    browser.goto(&stage.url("/?q=amsterdan")).await?;
    assert!(
        browser
            .text("#all .nothing")
            .await?
            .contains("No service or group contains \"amsterdan\".")
    );
    // The theme's form needs no script either.
    browser.prefers("dark").await?;
    browser.click(".to-light").await?;
    browser.until("document.documentElement.dataset.theme === 'light'").await?;
    assert!(browser.url().await?.ends_with("/?q=amsterdan"));
    browser.click(".to-dark").await?;
    browser.until("document.documentElement.dataset.theme === 'dark'").await?;
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_lost_stream_is_told_and_found_again() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1_000_000, 0, 5)]).await?;
    let browser = Browser::open().await?;
    let address = stage.address;
    browser.goto(&stage.url("/")).await?;
    browser.until_live().await?;
    stage.close().await?;
    browser.until("document.querySelector('#stream.stale .word')").await?;
    browser.until("!document.querySelector('#lost').hidden").await?;
    assert!(browser.text("#lost").await?.starts_with("Stream lost: reconnecting, last update "));
    // Its seconds are for the eye: it is spoken once.
    assert_eq!(browser.attribute("#lost", "role").await?, "");
    let spoken = browser.run("return document.querySelector('#say').textContent").await?;
    assert!(
        spoken.as_str().unwrap_or_default().starts_with("Stream lost. The figures"),
        "{spoken}"
    );
    let stage = Stage::at(address, |_| ()).await?;
    stage.publish("web-2", &[sample(4_000_000, 0, 5)]).await?;
    browser.until_live().await?;
    browser.until("document.querySelector('#lost').hidden").await?;
    browser
        .until("document.querySelector('#card-web-2') && !document.querySelector('#card-web-1')")
        .await?;
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn the_chart_is_read_with_pointer_and_arrow_keys() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &steady(120)).await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/")).await?;
    browser.until_live().await?;
    browser.run("document.querySelector('#fleet .frame').focus()").await?;
    browser.keys("#fleet .frame", "\u{e012}\u{e012}").await?;
    let box_text =
        browser.run("return document.querySelector('#fleet .cross').textContent").await?;
    let words = box_text.as_str().unwrap_or_default().to_owned();
    assert!(words.contains("1.50 MB/s") && words.contains("250.00 KB/s"), "{words}");
    assert!(words.contains("1.75 MB/s"), "{words}");
    browser.run("document.activeElement.blur()").await?;
    assert_eq!(browser.run("return !!document.querySelector('.cross')").await?, false);
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_group_is_found_by_its_whole_name() -> Result<()> {
    let stage = Stage::open().await?;
    let long = "g".repeat(300);
    let groups = [("web-1", &*long), ("web-2", " Edge ")];
    for (id, group) in groups {
        let details = ServiceDetails { group: Some(group.to_owned()), ..ServiceDetails::default() };
        stage.registry.register(&ServiceId::new(id)?, details)?;
    }
    for (id, group) in groups {
        let url = reqwest::Url::parse_with_params(&stage.url("/"), [("group", group)])?;
        let page = reqwest::get(url).await?.text().await?;
        let row = format!("<a href=\"/services/{id}\">");
        assert!(page.contains(&row), "{group}: {page}");
    }
    stage.close().await?;
    Ok(())
}
