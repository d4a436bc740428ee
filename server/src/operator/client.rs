//! The way to the running server: plain HTTP or TLS to where its settings say
//! that it listens, with the token that it keeps for the operator.

use std::{
    fmt::Write as _,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, anyhow, bail, ensure};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use komandorr_config::Secret;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use super::tls;
use crate::{credentials::operator_token_file, settings::Settings};

/// How long the server may take to let a command in.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How much longer an answer is waited for than the server works on it: it is
/// the server that says why there is none.
const LONGER: Duration = Duration::from_secs(40);
/// How long it may pause within an answer.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What bodies are.
const JSON: &str = "application/json";
const MESSAGE_PACK: &str = "application/msgpack";

/// The server as its operator sees it.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    tls: Option<tls::Pinned>,
    token: Option<Secret>,
    /// Where the token was found, for errors.
    token_file: String,
}

/// How long the server may take to begin its answer to a path with its query.
fn answer_within(asked: &str) -> Duration {
    let path = asked.split_once('?').map_or(asked, |(path, _)| path);
    komandorr_web::patience(path) + LONGER
}

/// Bytes to the server and back.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Client {
    /// Without a credential.
    pub(crate) fn anonymous(settings: &Settings) -> anyhow::Result<Self> {
        let address = reachable(settings.http.listen);
        let tls = settings.site_certificate().map(tls::Pinned::load).transpose()?;
        Ok(Self { address, tls, token: None, token_file: String::new() })
    }

    /// With the token that the server keeps beside its database.
    pub(crate) fn of_operator(settings: &Settings) -> anyhow::Result<Self> {
        let path = operator_token_file(&settings.storage.path);
        let token = std::fs::read_to_string(&path).map_err(|error| {
            let advice = match error.kind() {
                io::ErrorKind::NotFound => {
                    "the server makes it when it starts: start it, or give this command the server's settings (--config FILE, --set storage.path=FILE)"
                }
                io::ErrorKind::PermissionDenied => "run this command as the server's user, or with sudo",
                _ => "make it readable",
            };
            anyhow!("cannot read the operator's token {}: {error}; {advice}", path.display())
        })?;
        let token = Some(Secret::new(token.trim()));
        let token_file = path.display().to_string();
        Ok(Self { token, token_file, ..Self::anonymous(settings)? })
    }

    /// Reads something as JSON.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.send(Method::GET, path, None).await?;
        self.accepted(answer).await?.json().await
    }

    /// Asks, whatever the answer's status is.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let answer = self.send(method, path, None).await?;
        let status = answer.head.status();
        Ok((status, answer.json().await?))
    }

    /// Changes something; `null`: without a body. Without an answer: `null`.
    pub(crate) async fn change(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let body = (!body.is_null()).then(|| (Bytes::from(body.to_string()), JSON));
        let answer = self.send(method, path, body).await?;
        self.accepted(answer).await?.json().await
    }

    /// Hands the server samples, as MessagePack.
    pub(crate) async fn hand_over(&self, path: &str, samples: Bytes) -> anyhow::Result<Value> {
        let answer = self.send(Method::POST, path, Some((samples, MESSAGE_PACK))).await?;
        self.accepted(answer).await?.json().await
    }

    /// Passes the bytes of an answer on as they come; says how many there were.
    pub(crate) async fn download(
        &self,
        path: &str,
        out: &mut (impl AsyncWrite + Unpin),
    ) -> anyhow::Result<u64> {
        let answer = self.send(Method::GET, path, None).await?;
        let mut answer = self.accepted(answer).await?;
        let mut bytes = 0;
        while let Some(part) = answer.next().await? {
            bytes += part.len() as u64;
            out.write_all(&part).await.context("cannot write what the server sends")?;
        }
        out.flush().await.context("cannot write what the server sends")?;
        Ok(bytes)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(Bytes, &'static str)>,
    ) -> anyhow::Result<Answer> {
        let stream = self.connect().await?;
        let lost = || format!("the server at {} did not answer", self.address);
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.with_context(lost)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What ends a connection early ends the answer too, and is told there.
            drop(connection.await);
        });
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::USER_AGENT, concat!("komandorr/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = &self.token {
            let value = format!("Bearer {}", token.expose());
            request = request.header(header::AUTHORIZATION, value);
        }
        if let Some((_, kind)) = body {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let body = body.map(|(body, _)| body).unwrap_or_default();
        let request = request.body(Full::new(body))?;
        let answer = timeout(answer_within(path), sender.send_request(request)).await;
        let (head, body) = answer.with_context(lost)?.with_context(lost)?.into_parts();
        Ok(Answer { head: http::Response::from_parts(head, ()), body, driver })
    }

    async fn connect(&self) -> anyhow::Result<Box<dyn Stream>> {
        let address = self.address;
        let connected = timeout(CONNECT_WITHIN, TcpStream::connect(address)).await;
        let stream = connected.map_err(io::Error::from).flatten().map_err(|error| {
            anyhow!(
                "no server answers at {address}: {error}; start it, or give this command the server's settings (--config FILE, --set http.listen=ADDRESS)"
            )
        })?;
        let Some(pinned) = &self.tls else { return Ok(Box::new(stream)) };
        let encrypted = timeout(CONNECT_WITHIN, pinned.connect(address.ip(), stream)).await;
        let encrypted = encrypted.map_err(io::Error::from).flatten();
        Ok(Box::new(encrypted.with_context(|| format!("no TLS with the server at {address}"))?))
    }

    /// Turns a refusal into an error with the server's own words.
    async fn accepted(&self, answer: Answer) -> anyhow::Result<Answer> {
        let status = answer.head.status();
        if status.is_success() {
            return Ok(answer);
        }
        ensure!(
            status != StatusCode::UNAUTHORIZED,
            "the server at {} does not know the token in {}: it has another database; give this command the server's settings",
            self.address,
            self.token_file
        );
        let said = answer.json().await.unwrap_or_default();
        let message = said.pointer("/error/message").and_then(Value::as_str);
        match message {
            Some(message) => bail!("the server refuses: {message}"),
            None => bail!("the server refuses: {status}"),
        }
    }
}

/// An answer whose body is still to come.
struct Answer {
    head: http::Response<()>,
    body: Incoming,
    /// Moves the connection's bytes while there is an answer.
    driver: JoinSet<()>,
}

impl Answer {
    /// The next bytes; `None`: that was all.
    async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        loop {
            let frame = timeout(LONGEST_PAUSE, self.body.frame()).await;
            match frame.context("the server stopped in the middle of its answer")? {
                None => return Ok(None),
                Some(frame) => {
                    let frame = frame.context("the server's answer broke off")?;
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    async fn json(mut self) -> anyhow::Result<Value> {
        let mut bytes = Vec::new();
        while let Some(part) = self.next().await? {
            bytes.extend_from_slice(&part);
        }
        self.driver.abort_all();
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).context("the server's answer is no JSON: is it Komandorr?")
    }
}

/// Where a listener is reached from its own machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// A text as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    let mut segment = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                segment.push(byte.into());
            }
            // Writing to a String cannot fail.
            _ => write!(segment, "%{byte:02X}").unwrap_or_default(),
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_reached_on_loopback() {
        let at = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:3000"), "127.0.0.1:3000");
        assert_eq!(at("[::]:3000"), "[::1]:3000");
        assert_eq!(at("192.0.2.1:80"), "192.0.2.1:80");
    }

    #[test]
    fn an_answer_is_waited_for_longer_than_the_server_works_on_it() {
        for path in ["/api/services/", "/api/backup", "/api/import/samples"] {
            let within = answer_within(&format!("{path}?service=web-1"));
            assert!(within > komandorr_web::patience(path), "{path}: {within:?}");
            assert_eq!(within, answer_within(path));
        }
        assert!(answer_within("/api/backup") > answer_within("/api/services/") * 10);
    }

    #[test]
    fn a_name_cannot_leave_its_place_in_a_path() {
        assert_eq!(segment("a b/../c?d"), "a%20b%2F..%2Fc%3Fd");
    }
}
