//! Binding the listeners, before anything else is started.

use std::{io, net::SocketAddr};

use anyhow::anyhow;
use tokio::net::TcpListener;

/// Binds an address; an error names the setting and what to do.
pub(crate) async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "another program listens there: stop it, or set",
            io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: give it, or set",
            io::ErrorKind::AddrNotAvailable => "this machine does not have that address: set",
            _ => "set",
        };
        anyhow!("cannot listen on {address}: {error}; {advice} {setting}")
    })
}

/// Binds an address, or any free port beside it where it is taken.
pub(crate) async fn bind_or_free(
    address: SocketAddr,
    setting: &str,
) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            bind(SocketAddr::new(address.ip(), 0), setting).await
        }
        Err(_) => bind(address, setting).await,
    }
}
