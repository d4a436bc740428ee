//! Telling systemd that a program is ready, alive and stopping.

use std::time::Duration;

/// The service manager, if there is one that wants to know.
#[derive(Debug, Default)]
pub struct Notify {
    #[cfg(unix)]
    socket: Option<std::os::unix::net::UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// Nobody is told: for an agent within another program.
    pub fn nobody() -> Self {
        Self::default()
    }

    /// The service manager that started this process.
    #[cfg(unix)]
    pub fn from_environment() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| connect(&name).ok());
        let micros = std::env::var_os("WATCHDOG_USEC");
        let micros = micros.and_then(|text| text.to_str()?.parse::<u64>().ok());
        let watchdog = micros.filter(|&n| n > 0 && socket.is_some()).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// There is no service manager of this kind here.
    #[cfg(not(unix))]
    pub fn from_environment() -> Self {
        Self::default()
    }

    /// How often [`alive`](Self::alive) must be called.
    pub fn every(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 2)
    }

    /// The program has started.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// The program's loop turns.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// The program ends in order.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// One line for `systemctl status`.
    pub fn status(&self, text: &str) {
        self.send(&format!("STATUS={}", text.replace('\n', " ")));
    }

    fn send(&self, state: &str) {
        #[cfg(unix)]
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(state.as_bytes())
        {
            tracing::debug!(%error, "cannot tell the service manager {state}");
        }
        #[cfg(not(unix))]
        let _: &str = state;
    }
}

#[cfg(unix)]
fn connect(name: &std::ffi::OsStr) -> std::io::Result<std::os::unix::net::UnixDatagram> {
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    {
        use std::os::{
            linux::net::SocketAddrExt,
            unix::{ffi::OsStrExt, net::SocketAddr},
        };
        if let Some(name) = name.as_bytes().strip_prefix(b"@") {
            socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?;
            return Ok(socket);
        }
    }
    socket.connect(name)?;
    Ok(socket)
}
