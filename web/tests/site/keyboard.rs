//! Everything with the keyboard alone.

use anyhow::Result;

use crate::{
    browser::Browser,
    support::{Stage, played},
};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

/// What has the focus, and whether one sees that.
const HERE: &str = "const e = document.activeElement; const s = getComputedStyle(e);
    const around = getComputedStyle(e, '::before');
    const words = e.matches('a, button') && e.textContent.trim();
    return [e.id || e.getAttribute('name') || words || e.classList[0],
            s.outlineStyle !== 'none' || around.outlineStyle !== 'none' || e.className === 'skip']";

/// Goes through a page and names what gets the focus.
async fn walk(browser: &Browser) -> Result<Vec<String>> {
    browser.keys("body", TAB).await?;
    assert_eq!(browser.run("return document.activeElement.className").await?, "skip");
    let mut seen = Vec::new();
    for _ in 0..60 {
        if browser.run("return document.activeElement === document.body").await? == true {
            break;
        }
        let here = browser.run(HERE).await?;
        assert_eq!(here[1], true, "no visible focus: {here}");
        seen.push(here[0].as_str().unwrap_or_default().to_owned());
        browser.press(TAB).await?;
    }
    Ok(seen)
}

#[tokio::test]
async fn the_keyboard_reaches_everything_with_a_visible_focus() -> Result<()> {
    let stage = played().await?;
    let browser = Browser::open().await?;
    for (path, wanted) in [
        ("/", vec!["cards", "frame", "q", "theme"]),
        ("/services/edge-fra-01", vec!["frame", "f-name", "f-cap", "Remove this service"]),
        ("/analytics", vec!["of", "1 week", "CSV"]),
        ("/add", vec!["a-id", "a-n", "a-g"]),
        ("/status", vec!["edge-fra-01", "theme"]),
        ("/access", vec!["r-n", "r-s", "t-n", "t-s", "p-n", "Change the password"]),
        ("/docs", vec!["openapi.json"]),
    ] {
        browser.goto(&stage.url(path)).await?;
        let seen = walk(&browser).await?;
        for wanted in wanted {
            assert!(
                seen.iter().any(|id| id.starts_with(wanted)),
                "{path}: no {wanted} in {seen:?}"
            );
        }
    }
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

/// Presses Tab until the focus is where it is wanted.
async fn tab_to(browser: &Browser, wanted: &str) -> Result<()> {
    for _ in 0..60 {
        browser.press(TAB).await?;
        let there = format!("return document.activeElement.matches({wanted:?})");
        if browser.run(&there).await? == true {
            return Ok(());
        }
    }
    anyhow::bail!("Tab never reaches {wanted}")
}

#[tokio::test]
async fn a_service_is_added_searched_and_sorted_with_the_keyboard_alone() -> Result<()> {
    let stage = Stage::open().await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/")).await?;
    tab_to(&browser, ".add").await?;
    browser.press(ENTER).await?;
    browser.until_url("/add").await?;
    tab_to(&browser, "#a-id").await?;
    browser.press(&format!("edge-waw-03{ENTER}")).await?;
    browser.until("document.querySelector('#wait-edge-waw-03')").await?;
    tab_to(&browser, ".nav a").await?;
    browser.press(ENTER).await?;
    browser.until("document.querySelector('#row-edge-waw-03')").await?;
    tab_to(&browser, "#q").await?;
    browser.press(&format!("waw{ENTER}")).await?;
    browser.until_url("q=waw").await?;
    tab_to(&browser, "thead th:first-child a").await?;
    browser.press(ENTER).await?;
    browser.until_url("sort=service").await?;
    tab_to(&browser, "#row-edge-waw-03 a").await?;
    browser.press(ENTER).await?;
    browser.until("document.querySelector('h1')?.textContent === 'edge-waw-03'").await?;
    browser.close().await?;
    stage.close().await?;
    Ok(())
}
