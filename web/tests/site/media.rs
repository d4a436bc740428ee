//! Themes, paper and rest: what a visitor's system asks for.

use anyhow::Result;

use crate::{
    browser::Browser,
    support::{Stage, played, sample},
};

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
async fn nothing_moves_for_those_who_want_no_motion() -> Result<()> {
    let stage = Stage::open().await?;
    let mut fresh = sample(2_500_000, 500_000, 5);
    fresh.capacity = Some(12_500_000);
    stage.publish("web-1", &[fresh]).await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/")).await?;
    let motion =
        "const dot = getComputedStyle(document.querySelector('#card-web-1 .dot'), '::after');
         const arc = getComputedStyle(document.querySelector('#card-web-1 .arc'));
         return [dot.animationName, arc.transitionProperty]";
    assert_eq!(browser.run(motion).await?, serde_json::json!(["pulse", "stroke-dasharray"]));
    browser.media("", "prefers-reduced-motion", "reduce").await?;
    assert_eq!(browser.run(motion).await?, serde_json::json!(["none", "none"]));
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn on_paper_a_page_is_a_report_without_controls() -> Result<()> {
    let stage = played().await?;
    let browser = Browser::open().await?;
    browser.width(760).await?;
    browser.media("print", "prefers-color-scheme", "dark").await?;
    for path in ["/", "/services/edge-fra-01?range=week", "/analytics", "/status"] {
        browser.goto(&stage.url(path)).await?;
        let controls = browser
            .run(
                "return [...document.querySelectorAll('nav, form, button, .btn, .skip, .stream')]
                     .filter((e) => e.checkVisibility()).map((e) => e.outerHTML.slice(0, 80))",
            )
            .await?;
        assert_eq!(controls, serde_json::json!([]), "{path}");
        let looks = browser
            .run(
                "const e = document.documentElement;
                 return [getComputedStyle(document.body).backgroundColor, e.scrollWidth - e.clientWidth]",
            )
            .await?;
        assert_eq!(looks, serde_json::json!(["rgb(255, 255, 255)", 0]), "{path}");
    }
    // What is shown is named, since the links that say it are gone.
    browser.goto(&stage.url("/services/edge-fra-01?range=week")).await?;
    let dates = browser.text(".head .paper").await?;
    assert!(dates.contains(" to ") && dates.contains("20"), "{dates}");
    browser.close().await?;
    stage.close().await?;
    Ok(())
}
