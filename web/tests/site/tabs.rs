//! Pages in tabs that nobody sees.

use anyhow::{Context, Result};

use crate::{
    browser::Browser,
    live::until_followers,
    support::{PATIENCE, Stage, sample},
};

#[tokio::test]
async fn ten_open_tabs_leave_the_site_within_reach() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1_000_000, 0, 5)]).await?;
    let browser = Browser::open().await?;
    for tab in 0..10 {
        if tab > 0 {
            browser.hide().await?;
            until_followers(&stage, 0).await?;
            browser.another().await?;
        }
        // A browser opens six connections to a site, for all of its tabs.
        let page = stage.url("/status");
        let loaded = tokio::time::timeout(PATIENCE, browser.goto(&page)).await;
        loaded.with_context(|| format!("tab {tab} waits for ever"))??;
        browser.until_live().await?;
        until_followers(&stage, 1).await?;
    }
    browser.close().await?;
    until_followers(&stage, 0).await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_tab_that_comes_back_is_up_to_date_and_never_says_that_it_is_lost() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1_000_000, 0, 5)]).await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/")).await?;
    browser.until_live().await?;
    browser.hide().await?;
    until_followers(&stage, 0).await?;
    // Two minutes later, as its clock says; when an age on the page has
    // followed, all of the clockwork has.
    browser.run("const now = Date.now; Date.now = () => now() + 120000").await?;
    browser
        .until("document.querySelector('#row-web-1 [data-age]').textContent === '2 min'")
        .await?;
    assert_eq!(browser.run("return document.querySelector('#lost').hidden").await?, true);
    stage.publish("web-1", &[sample(7_500_000, 0, 5)]).await?;
    browser
        .run(
            "const lost = document.querySelector('#lost'); window.told = 0;
             new MutationObserver(() => window.told += lost.hidden ? 0 : 1)
        .observe(lost, { attributes: true, childList: true })",
        )
        .await?;
    browser.unhide().await?;
    browser.until("document.querySelector('#row-web-1').textContent.includes('7.50')").await?;
    browser.until_live().await?;
    assert_eq!(browser.run("return window.told").await?, 0);
    browser.close().await?;
    stage.close().await?;
    Ok(())
}
