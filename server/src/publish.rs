//! What the site takes over HTTP, led to the broker.

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use komandorr_collector::Sent;
use komandorr_web::{Published, Publisher};
use komandorr_wire::{Outcome, ServiceId};

use crate::source::Source;

impl Publisher for Source {
    fn publish(
        &self,
        service: ServiceId,
        payload: Bytes,
    ) -> Pin<Box<dyn Future<Output = Published> + Send>> {
        match self {
            Self::Embedded { broker, .. } => {
                let broker = broker.clone();
                Box::pin(async move {
                    match broker.publish(service, payload).await {
                        Ok(Outcome::Stored) => Published::Stored,
                        Ok(Outcome::Refused(error)) => Published::Refused(error.to_string()),
                        Err(error) => Published::Unavailable(error.to_string()),
                    }
                })
            }
            Self::Other { intake, .. } => {
                let intake = intake.clone();
                Box::pin(async move {
                    match intake.publish(&service, payload).await {
                        Sent::Taken => Published::Stored,
                        Sent::NotTaken(reason) => Published::Unavailable(reason),
                    }
                })
            }
        }
    }

    /// Another broker may pass on a message again.
    fn may_repeat(&self) -> bool {
        matches!(self, Self::Other { .. })
    }
}
