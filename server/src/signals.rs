//! SIGTERM and SIGINT: the first stops in order, the second at once.

use std::io;

use tokio_util::sync::CancellationToken;

/// Cancels `stop` at the first signal; returns at the second.
pub(crate) async fn watch(stop: CancellationToken) -> io::Result<()> {
    let mut signals = Signals::new()?;
    signals.next().await?;
    tracing::info!("stopping");
    stop.cancel();
    signals.next().await?;
    Ok(())
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
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
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> io::Result<()> {
        tokio::signal::ctrl_c().await
    }
}
