//! A service that has just begun: nothing is claimed of the time before.

use anyhow::Result;

use crate::{
    browser::Browser,
    scenes::{Ground, Set},
};

#[tokio::test]
async fn time_before_the_first_sample_is_neither_covered_nor_a_gap() -> Result<()> {
    let Set { stage, .. } = Set::open(Ground::Young, 0).await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/services/edge-fra-01")).await?;
    assert_eq!(browser.text("#h-ch").await?, "Last hour");
    for range in ["hour", "day", "year"] {
        browser.goto(&stage.url(&format!("/services/edge-fra-01?range={range}"))).await?;
        let sentence = browser.text(".cov p span").await?;
        assert!(sentence.starts_with("The first sample came at "), "{range}: {sentence}");
        assert!(sentence.contains(" of the time since. No gap."), "{range}: {sentence}");
        let share = sentence.split("cover ").nth(1).and_then(|rest| rest.split(' ').next());
        let share: f64 = share.unwrap_or_default().parse()?;
        assert!(share > 90.0, "{range}: {sentence}");
        let strip = browser.attribute(".cover rect", "x").await?;
        let begin: f64 = strip.trim_end_matches('%').parse()?;
        assert!(begin > 85.0, "{range}: {strip}");
        assert!(browser.texts(".plot .gap").await?.is_empty(), "{range}");
    }
    browser.goto(&stage.url("/services/edge-fra-01?per=month")).await?;
    assert_eq!(browser.texts(".vols tbody tr").await?.len(), 1);
    let covered = browser.text(".vols tbody td:last-child").await?;
    let covered: f64 = covered.trim_end_matches('%').parse()?;
    assert!(covered > 90.0, "{covered}");
    browser.goto(&stage.url("/")).await?;
    let heading = browser.text("#h-fleet").await?;
    assert!(heading == "Fleet, last 5 min" || heading == "Fleet, last 6 min", "{heading}");
    browser.close().await?;
    stage.close().await?;
    Ok(())
}
