//! Connections: accepted, limited, served and closed in order.

mod patient;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{App, Config, routes, site::Site};
use patient::Patient;

/// A client has this long to send the head of a request; also the longest
/// that a connection may wait for its next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Most connections at once; more wait in the listener's queue.
const CONNECTIONS: usize = 4096;
/// How long running answers have on shutdown.
const FAREWELL: Duration = Duration::from_secs(2);
/// Pause after a failed accept: the system is out of something.
const BREATH: Duration = Duration::from_millis(50);

/// Serves site and API on a bound listener, until `stop`; then finishes what
/// it is answering, for at most two seconds.
pub async fn run(
    config: Config,
    listener: TcpListener,
    app: App,
    stop: CancellationToken,
) -> io::Result<()> {
    tracing::debug!(configured = %config.listen, bound = ?listener.local_addr(), "site opens");
    let site = Site::new(&config, app, stop.clone());
    let router = routes::router(&site);
    let (hub, stopped) = (Arc::clone(&site), stop.clone());
    site.tasks.spawn(async move { hub.hub.run(stopped).await });
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|connection| (place, connection))
        };
        let (place, (stream, peer)) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // One client's failure, or too many open files: neither
                    // may end the site.
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            },
        };
        let connection = serve(stream, peer, router.clone(), stop.clone());
        site.tasks.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    drop(listener);
    site.tasks.close();
    if tokio::time::timeout(FAREWELL, site.tasks.wait()).await.is_err() {
        tracing::debug!("some connections were cut on shutdown");
    }
    Ok(())
}

async fn serve(stream: TcpStream, peer: SocketAddr, router: Router, stop: CancellationToken) {
    // Small frames of a live stream must not wait for more.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "setting TCP_NODELAY");
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            let answer: Result<_, Infallible> = router.oneshot(request).await;
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(Patient::new(stream)), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            // Finishes the answer that is under way, if there is one.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "a connection ended early");
    }
}
