//! What a page says of how long ago something was, where no script counts on.

use anyhow::{Context, Result};

use crate::support::{PATIENCE, Stage, sample};

/// The part of a page between an element's id and an end.
fn part<'a>(page: &'a str, id: &str, end: &str) -> Result<&'a str> {
    let rest = page.split_once(&format!("id=\"{id}\"")).with_context(|| id.to_owned())?.1;
    Ok(rest.split_once(end).with_context(|| end.to_owned())?.0)
}

/// The age that a part of a page tells.
fn age(part: &str) -> Result<&str> {
    let rest = part.split_once("<time data-age").context("no age")?.1;
    let words = rest.split_once('>').and_then(|(_, rest)| rest.split_once('<'));
    Ok(words.context("no words")?.0)
}

#[tokio::test]
async fn a_silent_service_grows_older_from_page_to_page() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1_000_000, 0, 5)]).await?;
    let begun = std::time::Instant::now();
    let mut again = tokio::time::interval(std::time::Duration::from_millis(100));
    let mut first: Option<(String, String)> = None;
    loop {
        again.tick().await;
        assert!(begun.elapsed() < 2 * PATIENCE, "for ever {first:?}");
        let page = reqwest::get(stage.url("/")).await?.text().await?;
        // From then on nothing changes but the time.
        if !page.contains("class=\"card c1 silent\"") {
            continue;
        }
        let (row, card) = (part(&page, "row-web-1", "</tr>")?, part(&page, "card-web-1", "</art")?);
        let label = card.split_once("aria-label=\"").context("a label")?.1;
        assert!(label.starts_with("web-1: silent, last sample on "), "{label}");
        let ages = (age(row)?.to_owned(), age(card)?.to_owned());
        let (row, card) = first.get_or_insert_with(|| ages.clone());
        if *row != ages.0 && *card != ages.1 {
            break;
        }
    }
    stage.close().await?;
    Ok(())
}
