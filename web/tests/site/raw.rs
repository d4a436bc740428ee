//! Requests as no client library would send them, byte by byte.

use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::support::{PATIENCE, Stage};

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

/// Sends a request with exactly this path, and headers and a body as given.
pub(crate) async fn ask(
    stage: &Stage,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &[u8],
) -> Result<Answer> {
    let mut stream = TcpStream::connect(stage.address).await?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for header in headers {
        write!(head, "{header}\r\n")?;
    }
    write!(head, "content-length: {}\r\n\r\n", body.len())?;
    // A server that has refused already may have closed its side.
    let sent = async {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await
    };
    drop(sent.await);
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.context("no end")??;
    let text = String::from_utf8(bytes)?;
    let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("no head: {text}"))?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok(Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
}

/// Asks over a socket with hardly any room, and takes nothing of the answer.
pub(crate) async fn without_reading(
    stage: &Stage,
    path: &str,
    headers: &[&str],
) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    let mut stream = socket.connect(stage.address).await?;
    let mut head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n", stage.address);
    for header in headers {
        write!(head, "{header}\r\n")?;
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    Ok(stream)
}

impl Answer {
    /// A header's text, in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let start = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(start.as_str()))
    }

    /// Code and message of a refusal; empty where it is none of ours.
    pub(crate) fn refusal(&self) -> (String, String) {
        let json: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let text = |name: &str| json["error"][name].as_str().unwrap_or_default().to_owned();
        (text("code"), text("message"))
    }
}
