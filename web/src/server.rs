//! Connections: accepted, limited, served and closed in order.

mod patient;

use std::{
    convert::Infallible, future::Future, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{
    App, ByteStream, Config,
    pages::{analytics, status::pace},
    peer::Encrypted,
    routes,
    site::Site,
};
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

/// The TLS side of the site's port: the certificate is the caller's business.
pub trait TlsDoor: Send + Sync + 'static {
    /// Does the handshake of one connection.
    fn accept(&self, stream: TcpStream) -> Handshake;
}

/// A handshake under way, and the encrypted connection that comes of it.
pub type Handshake = Pin<Box<dyn Future<Output = io::Result<Box<dyn ByteStream>>> + Send>>;

/// Serves site and API on a bound listener, until `stop`; then finishes what
/// it is answering, for at most two seconds.
pub async fn run(
    config: Config,
    listener: TcpListener,
    app: App,
    stop: CancellationToken,
) -> io::Result<()> {
    tracing::debug!(configured = %config.listen, bound = ?listener.local_addr(), "site opens");
    let tls = app.tls.clone();
    let site = Site::new(&config, app, stop.clone());
    let router = routes::router(&site);
    let slow_client = config.slow_client;
    let serving = Serving { tls, router, slow_client, stop: stop.clone() };
    let (hub, stopped) = (Arc::clone(&site), stop.clone());
    site.tasks.spawn(async move { hub.hub.run(stopped).await });
    site.tasks.spawn(pace::follow(Arc::clone(&site), stop.clone()));
    site.tasks.spawn(analytics::keep_ready(Arc::clone(&site), stop.clone()));
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
        let connection = open(stream, peer, serving.clone());
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

/// What every connection is served with.
#[derive(Clone)]
struct Serving {
    tls: Option<Arc<dyn TlsDoor>>,
    router: Router,
    /// How long an answer waits for a client that does not read.
    slow_client: Duration,
    stop: CancellationToken,
}

/// Sees a connection through, from its handshake to its end.
async fn open(stream: TcpStream, peer: SocketAddr, serving: Serving) {
    // Small frames of a live stream must not wait for more.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "setting TCP_NODELAY");
    }
    let Some(tls) = serving.tls.clone() else { return serve(stream, peer, false, serving).await };
    let handshake = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream));
    match serving.stop.run_until_cancelled(handshake).await {
        Some(Ok(Ok(stream))) => serve(stream, peer, true, serving.clone()).await,
        Some(Ok(Err(error))) => tracing::debug!(%error, %peer, "no TLS handshake"),
        Some(Err(_)) => tracing::debug!(%peer, "the TLS handshake took too long"),
        None => {}
    }
}

async fn serve(stream: impl ByteStream, peer: SocketAddr, encrypted: bool, serving: Serving) {
    let Serving { router, slow_client, stop, .. } = serving;
    let stream = Patient::new(stream, slow_client);
    let service = service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(Encrypted(encrypted));
            let answer: Result<_, Infallible> = router.oneshot(request).await;
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
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
