//! SIGTERM and SIGINT: the first stops in order, the second at once.

use std::io;

use tokio_util::sync::CancellationToken;

/// What asks the program to stop; noted from here on.
#[cfg(unix)]
pub(crate) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Cancels `stop` at the first signal; returns at the second.
    pub(crate) async fn watch(mut self, stop: CancellationToken) -> io::Result<()> {
        self.next().await?;
        tracing::info!("stopping");
        stop.cancel();
        self.next().await
    }
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    #[allow(clippy::unnecessary_wraps, reason = "the same face as on other systems")]
    async fn next(&mut self) -> io::Result<()> {
        tokio::select! {
            _ = self.terminate.recv() => Ok(()),
            _ = self.interrupt.recv() => Ok(()),
        }
    }
}

#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> io::Result<()> {
        tokio::signal::ctrl_c().await
    }
}
