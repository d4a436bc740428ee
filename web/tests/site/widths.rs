//! Names as long as they may be, on screens of every width.

use anyhow::Result;
use komandorr_collector::registry::ServiceDetails;
use komandorr_wire::ServiceId;

use crate::{
    accessibility::overflow,
    browser::Browser,
    support::{Stage, sample},
};

#[tokio::test]
async fn no_name_is_too_long_for_a_page() -> Result<()> {
    let stage = Stage::open().await?;
    let (name, group) = ("N".repeat(500), "G".repeat(500));
    for id in ["web-1".to_owned(), "i".repeat(64)] {
        let details = ServiceDetails {
            name: name.clone(),
            group: Some(group.clone()),
            ..ServiceDetails::default()
        };
        stage.registry.register(&ServiceId::new(&id)?, details)?;
        stage.publish(&id, &[sample(1_000_000, 250_000, 5)]).await?;
    }
    let browser = Browser::open().await?;
    let long_id = "i".repeat(64);
    for path in [
        "/".to_owned(),
        format!("/?group={group}"),
        format!("/?q={name}"),
        format!("/services/{long_id}"),
        format!("/services/{long_id}/remove"),
        format!("/services/{name}"),
        "/analytics".to_owned(),
        format!("/analytics?of=group:{group}"),
        format!("/analytics?of=service:{long_id}"),
        "/status".to_owned(),
        "/access".to_owned(),
    ] {
        browser.goto(&stage.url(&path)).await?;
        let shown: String = path.chars().take(40).collect();
        assert_eq!(overflow(&browser).await?, Vec::<String>::new(), "{shown}");
    }
    browser.close().await?;
    stage.close().await?;
    Ok(())
}
