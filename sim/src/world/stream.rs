//! A simulated TCP stream whose bytes are recorded, and which can be killed from outside.
//!
//! turmoil's streams know no reset: after a long outage both ends of a connection would hang for ever. Killing a
//! stream makes it fail as a real one does when its retransmissions are given up. It can also be frozen for a while, as if
//! the process that holds it stood still.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::TcpStream;

use super::clock::now_ns;
use crate::recorder::Recorder;
use crate::trace::EventKind;

/// One end of a connection.
#[derive(Debug)]
pub struct SimStream {
    /// `None` once it was killed.
    inner: Option<TcpStream>,
    switch: Arc<KillSwitch>,
    /// The host that holds this end, and whose connection it is, for the trace.
    label: String,
    recorder: Recorder,
}

/// Kills one end of a connection, or freezes it.
#[derive(Debug, Default)]
pub struct KillSwitch(Mutex<Switch>);

#[derive(Debug, Default)]
struct Switch {
    killed: bool,
    frozen: bool,
    /// The tasks that wait for the stream: one may read and another write.
    waiting: Vec<Waker>,
}

impl KillSwitch {
    /// Makes every further use of the stream fail with `ConnectionReset`.
    pub fn kill(&self) {
        let waiting = {
            let mut switch = self.lock();
            switch.killed = true;
            std::mem::take(&mut switch.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Freezes the stream, so that nothing is read from it or written to it, or sets it going again.
    pub fn freeze(&self, frozen: bool) {
        let waiting = {
            let mut switch = self.lock();
            switch.frozen = frozen;
            std::mem::take(&mut switch.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Whether the stream is dead, and if not, whether it is frozen; `cx` is woken when that changes.
    fn poll(&self, cx: &Context<'_>) -> (bool, bool) {
        let mut switch = self.lock();
        if !switch.killed && !switch.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            switch.waiting.push(cx.waker().clone());
        }
        (switch.killed, switch.frozen)
    }

    fn lock(&self) -> MutexGuard<'_, Switch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimStream {
    /// Wraps one end of a connection. `label` names the end in the trace.
    pub fn new(inner: TcpStream, switch: Arc<KillSwitch>, label: String, recorder: Recorder) -> Self {
        Self { inner: Some(inner), switch, label, recorder }
    }

    fn record(&self, kind: EventKind, content: &[u8]) {
        self.recorder.trace(now_ns(), kind, &self.label, content);
    }

    /// The stream, unless it is dead, once it is not frozen.
    fn poll_alive(&mut self, cx: &Context<'_>) -> Poll<io::Result<Pin<&mut TcpStream>>> {
        let (killed, frozen) = self.switch.poll(cx);
        if killed && self.inner.take().is_some() {
            self.record(EventKind::StreamEnd, b"killed");
        }
        match &mut self.inner {
            Some(_) if frozen => Poll::Pending,
            Some(inner) => Poll::Ready(Ok(Pin::new(inner))),
            None => {
                let reset = io::ErrorKind::ConnectionReset;
                Poll::Ready(Err(io::Error::new(reset, "connection timed out in a partition")))
            }
        }
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = read.filled().len();
        let result = ready!(ready!(self.poll_alive(cx))?.poll_read(cx, read));
        match &result {
            Ok(()) => self.record(EventKind::Read, &read.filled()[before..]),
            Err(error) => self.record(EventKind::StreamEnd, error.kind().to_string().as_bytes()),
        }
        Poll::Ready(result)
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(ready!(self.poll_alive(cx))?.poll_write(cx, bytes))?;
        self.record(EventKind::Write, &bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_alive(cx))?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_alive(cx))?.poll_shutdown(cx)
    }
}
