//! Which version of MQTT the broker speaks.
//!
//! Version 5 is asked for first: there the broker is told how much may be
//! under way, and says whether it knows shared subscriptions. A broker that
//! knows only 3.1.1 should say so, but `RabbitMQ` before 3.13 just closes the
//! connection, which a broker that is ending does as well. So two refusals
//! count, with a welcome in version 3.1.1 after each.

use std::time::Duration;

use rumqttc::{AsyncClient, Event, Packet};
use tokio::time::timeout;

use super::{
    access::Access,
    dialect::Version,
    explain::{Ended, Ending},
};

/// Time for a welcome.
const WELCOME: Duration = Duration::from_secs(10);

/// What is known of the broker's version.
#[derive(Debug)]
pub(super) struct Spoken {
    version: Version,
    refusals: u8,
}

impl Default for Spoken {
    fn default() -> Self {
        Self { version: Version::V5, refusals: 0 }
    }
}

impl Spoken {
    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// Learns from the end of a connection; tells whether it is worth to try
    /// again at once.
    pub(super) async fn learn(&mut self, ended: &Ended, access: &Access) -> bool {
        if self.version == Version::V311 {
            return false;
        }
        let refused = match ended.ending {
            Ending::Version => 2,
            Ending::Unanswered => 1,
            Ending::Other => 0,
        };
        if refused == 0 || !is_welcome_in_311(access).await {
            self.refusals = 0;
            return false;
        }
        self.refusals += refused;
        if self.refusals >= 2 {
            self.version = Version::V311;
            tracing::warn!(broker = %access.url, "the broker does not speak MQTT 5: it is served in MQTT 3.1.1, where only one server may be its client");
        }
        true
    }
}

/// Whether a client of version 3.1.1 is let in. It leaves nothing behind.
async fn is_welcome_in_311(access: &Access) -> bool {
    let (client, mut events) = AsyncClient::new(access.fleeting("asks"), 1);
    events.set_network_options(Access::network());
    let hello = timeout(WELCOME, events.poll()).await;
    let welcome = matches!(hello, Ok(Ok(Event::Incoming(Packet::ConnAck(_)))));
    if welcome && client.try_disconnect().is_ok() {
        drop(timeout(WELCOME, events.poll()).await);
    }
    welcome
}
