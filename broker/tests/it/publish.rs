//! Publishing, acknowledgements and subscribers, the ordinary way.

use anyhow::Result;

use crate::support::*;

#[tokio::test]
async fn a_publish_is_stored_acknowledged_and_forwarded_on_both_versions() -> Result<()> {
    let mut server = start().await?;
    for level in [4, 5] {
        let mut subscriber = Raw::connect(server.address, level, "sub").await?;
        subscriber.send(&subscribe(level, 7, "komandorr/traffic/+", 1)).await?;
        let mut granted = vec![0x90, 3, 0, 7, 1];
        if level == 5 {
            granted = vec![0x90, 4, 0, 7, 0, 1];
        }
        subscriber.expect(&granted).await?;
        let mut publisher = Raw::connect(server.address, level, "pub").await?;
        publisher.send(&publish(level, 2, "komandorr/traffic/web-1", 9, b"sample")).await?;
        publisher.expect(&[0x40, 2, 0, 9]).await?;
        let stored = server.next_stored().await?;
        assert_eq!((stored.service.as_str(), &*stored.payload), ("web-1", b"sample".as_slice()));
        let (first, topic, payload) = read_publish(level, &subscriber.packet().await?)?;
        assert_eq!((first, topic.as_str()), (0x32, "komandorr/traffic/web-1"));
        assert_eq!(payload, b"sample");
    }
    Ok(())
}
