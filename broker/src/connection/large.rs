//! Large packets: what comes of one counts for nothing else before it is whole,
//! so only a few connections at once may hold much of one, and not for long.

use std::sync::Arc;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::OwnedSemaphorePermit,
    time::Instant,
};

use super::session::{Session, Waiting};

/// Bytes of an unfinished packet that every connection may hold.
const FREE: usize = 64 * 1024;
/// How many connections may hold more.
pub(crate) const PLACES: usize = 64;

/// That a connection may hold more.
pub(super) struct Large {
    _place: OwnedSemaphorePermit,
    /// How much it held then.
    bytes: usize,
    pub(super) since: Instant,
}

impl Large {
    pub(super) fn new(place: OwnedSemaphorePermit, bytes: usize) -> Self {
        Self { _place: place, bytes, since: Instant::now() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Takes a place for the rest of a large packet, or begins to wait for one.
    pub(super) fn make_room(&mut self) {
        let bytes = self.io.input.len();
        if bytes <= FREE {
            self.large = None;
        } else if let Some(large) = &mut self.large {
            // It goes on; only who stops halfway is in the way.
            if bytes >= large.bytes + FREE {
                (large.bytes, large.since) = (bytes, Instant::now());
            }
        } else if !self.more && self.has_window() {
            let places = Arc::clone(&self.core.large);
            match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => self.large = Some(Large::new(place, bytes)),
                Err(_none_is_free) => {
                    let place = async move { places.acquire_owned().await.ok() };
                    self.waiting = Waiting::Large(Box::pin(place));
                }
            }
        }
    }
}
