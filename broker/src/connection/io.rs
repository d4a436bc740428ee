//! The byte stream with its two buffers: reading and writing make progress
//! side by side, so that a client that does not read cannot keep its own
//! packets from being read, and nobody waits for anybody in a write.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout},
};
use tokio_util::io::poll_read_buf;

use crate::metrics::Counters;

/// Smallest and largest amount that is read at once, in bytes. It grows while
/// reads fill it, so that an idle connection costs little and a busy one few
/// system calls.
const READ: std::ops::RangeInclusive<usize> = 512..=64 * 1024;
/// An empty buffer larger than this is given back, in bytes.
const KEEP: usize = 4 * 1024;

/// What has happened on the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Read,
    Wrote,
    /// The client has closed its side.
    End,
}

pub(super) struct Io<S> {
    stream: S,
    /// Read and not yet taken apart.
    pub(super) input: BytesMut,
    /// Encoded and not yet written.
    pub(super) output: BytesMut,
    unflushed: bool,
    chunk: usize,
    /// What comes behind the last read: the end, or an error.
    end: Option<io::Result<Progress>>,
    /// Since when the client has taken nothing of what waits for it.
    pub(super) stalled: Option<Instant>,
    counters: Arc<Counters>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Io<S> {
    pub(super) fn new(stream: S, counters: Arc<Counters>) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            unflushed: false,
            chunk: *READ.start(),
            end: None,
            stalled: None,
            counters,
        }
    }

    /// Writes what waits, and reads when `read`. Loses nothing when dropped.
    pub(super) async fn progress(&mut self, read: bool) -> io::Result<Progress> {
        poll_fn(|cx| self.poll_progress(cx, read)).await
    }

    fn poll_progress(&mut self, cx: &mut Context<'_>, read: bool) -> Poll<io::Result<Progress>> {
        let wrote = self.poll_output(cx)?;
        if read {
            match self.poll_input(cx) {
                Poll::Pending => {}
                ready @ Poll::Ready(_) => return ready,
            }
        }
        if wrote { Poll::Ready(Ok(Progress::Wrote)) } else { Poll::Pending }
    }

    /// Says whether anything moved.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut moved = false;
        while !self.output.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.output)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(n) => {
                    self.output.advance(n);
                    self.counters.bytes_out.fetch_add(n as u64, Relaxed);
                    (self.unflushed, moved) = (true, true);
                }
                Poll::Pending => break,
            }
        }
        if self.unflushed && Pin::new(&mut self.stream).poll_flush(cx)?.is_ready() {
            (self.unflushed, moved) = (false, true);
        }
        let waits = !self.output.is_empty() || self.unflushed;
        if !waits {
            self.stalled = None;
            if self.output.capacity() > KEEP {
                self.output = BytesMut::new();
            }
        } else if moved || self.stalled.is_none() {
            self.stalled = Some(Instant::now());
        }
        Ok(moved)
    }

    /// Reads until nothing more is there, or until it is much: a stream may give
    /// what it has in small pieces, such as the records of TLS.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Progress>> {
        if let Some(end) = self.end.take() {
            return Poll::Ready(end);
        }
        let before = self.input.len();
        while self.input.len() - before < *READ.end() {
            match self.poll_read(cx) {
                Poll::Ready(Ok(Progress::Read)) => {}
                Poll::Ready(end) if self.input.len() > before => {
                    self.end = Some(end);
                    break;
                }
                Poll::Pending if self.input.len() > before => break,
                other => return other,
            }
        }
        Poll::Ready(Ok(Progress::Read))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Progress>> {
        if self.input.is_empty() && self.input.capacity() > self.chunk.max(KEEP) * 2 {
            self.input = BytesMut::new();
        }
        self.input.reserve(self.chunk);
        let n = ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.input))?;
        if n == 0 {
            return Poll::Ready(Ok(Progress::End));
        }
        self.counters.bytes_in.fetch_add(n as u64, Relaxed);
        if n >= self.chunk {
            self.chunk = (self.chunk * 4).min(*READ.end());
        } else if n < self.chunk / 8 {
            self.chunk = (self.chunk / 2).max(*READ.start());
        }
        Poll::Ready(Ok(Progress::Read))
    }

    /// Writes what is left, and closes without losing it on the way.
    pub(super) async fn close(mut self, within: Duration) {
        let polite = timeout(within, async {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await?;
            self.stream.shutdown().await?;
            let mut rest = [0_u8; 512];
            while self.stream.read(&mut rest).await? > 0 {}
            io::Result::Ok(())
        });
        if let Ok(Err(error)) = polite.await {
            tracing::trace!(%error, "closing");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives what it has byte by byte, as records of TLS come one by one.
    struct Pieces<S>(S);

    impl<S: AsyncRead + Unpin> AsyncRead for Pieces<S> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let mut one = buf.take(1);
            ready!(Pin::new(&mut self.0).poll_read(cx, &mut one))?;
            let byte = one.filled().to_vec();
            buf.put_slice(&byte);
            Poll::Ready(Ok(()))
        }
    }

    impl<S: AsyncWrite + Unpin> AsyncWrite for Pieces<S> {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    #[tokio::test]
    async fn one_read_takes_all_pieces_that_are_there_and_the_end_comes_after_them() {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let mut io = Io::new(Pieces(server), Arc::new(Counters::new()));
        client.write_all(&[7; 100]).await.unwrap();
        assert_eq!(io.progress(true).await.unwrap(), Progress::Read);
        assert_eq!(io.input.len(), 100);
        client.write_all(&[8; 10]).await.unwrap();
        drop(client);
        assert_eq!(io.progress(true).await.unwrap(), Progress::Read);
        assert_eq!(io.input.len(), 110);
        assert_eq!(io.progress(true).await.unwrap(), Progress::End);
    }
}
