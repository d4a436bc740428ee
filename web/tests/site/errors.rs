//! What a visitor reads when something is not there, or broke for real.

use anyhow::Result;

use crate::{
    scenes::{Ground, Set},
    support::Stage,
};

/// Status and text of a page.
async fn page(stage: &Stage, path: &str) -> Result<(u16, String)> {
    let answer = reqwest::get(stage.url(path)).await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// The site's frame with a heading, and nothing of the inside.
fn framed(page: &str, heading: &str) -> bool {
    let inside = ["up_peak", "Binder", "SELECT", "on purpose", "panicked", ".rs"];
    page.contains("<nav class=\"nav\"")
        && page.contains(&format!(">{heading}</h1>"))
        && !inside.iter().any(|word| page.contains(word))
}

#[tokio::test]
async fn what_is_not_there_is_said_in_the_sites_frame() -> Result<()> {
    let stage = Stage::open().await?;
    for path in ["/nothing-here", "/services/nobody", "/services/nobody/remove", "/a/b/c"] {
        let (status, page) = page(&stage, path).await?;
        assert_eq!(status, 404, "{path}");
        assert!(framed(&page, "Not found"), "{path}: {page}");
    }
    let (status, wrong) = page(&stage, "/analytics?of=nobody").await?;
    assert_eq!(status, 400);
    assert!(framed(&wrong, "That does not work") && wrong.contains("Of must be group:NAME"));
    let (status, gone) = page(&stage, "/analytics?of=group:Gone").await?;
    assert_eq!(status, 404);
    assert!(gone.contains("There is no group &#34;Gone&#34;."), "{gone}");
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_part_of_the_server_that_panics_is_one_page_with_a_sentence_that_helps() -> Result<()> {
    let set = Set::open(Ground::Broken, 1).await?;
    let (status, broken) = page(&set.stage, "/status").await?;
    assert_eq!(status, 500);
    assert!(framed(&broken, "Something broke"), "{broken}");
    assert!(broken.contains("nothing that agents sent is lost"), "{broken}");
    assert_eq!(page(&set.stage, "/healthz").await?.0, 200);
    set.stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn history_that_stands_still_is_told_with_its_reason() -> Result<()> {
    let set = Set::open(Ground::Behind, 1).await?;
    let (status, page) = page(&set.stage, "/status").await?;
    assert_eq!(status, 200);
    assert!(
        page.contains("History stands still. That began at ") && page.contains("column count"),
        "{page}"
    );
    assert!(!page.contains("Nothing can be stored"), "{page}");
    set.stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_told_and_what_is_live_still_works() -> Result<()> {
    let set = Set::open(Ground::Broken, 1).await?;
    for path in ["/services/edge-fra-01", "/analytics", "/services/edge-fra-01?range=hour"] {
        let (status, broken) = page(&set.stage, path).await?;
        assert_eq!(status, 503, "{path}");
        assert!(framed(&broken, "The database does not answer"), "{path}: {broken}");
        assert!(broken.contains("What is live still works"), "{broken}");
    }
    let (status, json) = page(&set.stage, "/api/traffic/history?service=edge-fra-01").await?;
    assert_eq!(status, 503);
    assert!(json.contains("\"store_unavailable\"") && !json.contains("up_peak"), "{json}");
    let (status, live) = page(&set.stage, "/").await?;
    assert_eq!(status, 200);
    assert!(live.contains("id=\"card-edge-fra-01\""), "{live}");
    set.stage.close().await?;
    Ok(())
}
