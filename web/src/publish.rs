//! The way of samples that come over HTTP: they are published like any other
//! and pass the broker.

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use komandorr_wire::ServiceId;

/// What became of a payload that the site published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// It is stored, or a broker keeps it for the store.
    Stored,
    /// It can never be stored, and why.
    Refused(String),
    /// It is not stored, and why; it may come again.
    Unavailable(String),
}

/// Publishes what the site took over HTTP.
pub trait Publisher: Send + Sync + 'static {
    /// Publishes a payload to a service's traffic topic with `QoS` 1, and
    /// answers when it is known what became of it, however long that takes.
    fn publish(
        &self,
        service: ServiceId,
        payload: Bytes,
    ) -> Pin<Box<dyn Future<Output = Published> + Send>>;

    /// Whether a payload may arrive twice: its samples need numbers then.
    fn may_repeat(&self) -> bool;
}
