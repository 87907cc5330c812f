//! The network below the adapters: what the peer sends comes in pieces, what the server writes is taken in pieces, and who
//! waits for nothing is found out.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use mayfly_net::{Established, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::ADDRESS;

/// Sizes of pieces, over and over.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    sizes: [u8; 2],
    turn: usize,
    has_paused: bool,
}

impl Pace {
    pub(crate) fn new(sizes: [u8; 2]) -> Self {
        Self { sizes, turn: 0, has_paused: false }
    }

    /// Whether everything passes at once.
    pub(crate) fn is_unbounded(self) -> bool {
        self.sizes == [u8::MAX; 2]
    }

    /// The most bytes of the next piece; `None` for a pause, after which something passes.
    fn next(&mut self) -> Option<usize> {
        let size = self.sizes[self.turn % self.sizes.len()];
        self.turn += 1;
        match size {
            0 if !std::mem::replace(&mut self.has_paused, true) => None,
            u8::MAX => Some(usize::MAX),
            _ => {
                self.has_paused = false;
                Some(usize::from(size).max(1))
            }
        }
    }
}

/// A connection, seen from outside.
pub(crate) struct Wire {
    sent: Vec<u8>,
    /// How many bytes the server has read.
    pub(crate) taken: Cell<usize>,
    /// What the server has written.
    pub(crate) written: RefCell<Vec<u8>>,
    /// Whether the server has ended its side.
    pub(crate) is_shut: Cell<bool>,
    reading: Cell<Pace>,
    writing: Cell<Pace>,
    steps_left: Cell<usize>,
}

impl Wire {
    pub(crate) fn new(sent: &[u8], reading: Pace, writing: Pace) -> Rc<Self> {
        Rc::new(Self {
            taken: Cell::new(0),
            written: RefCell::default(),
            is_shut: Cell::new(false),
            reading: Cell::new(reading),
            writing: Cell::new(writing),
            // A byte comes in a step and may go out in two or three, framed.
            steps_left: Cell::new(2000 + 64 * sent.len()),
            sent: sent.to_vec(),
        })
    }

    fn step(&self) {
        let left = self.steps_left.get();
        self.steps_left.set(left.checked_sub(1).expect("the connection comes to an end"));
    }
}

/// The server's end.
pub(crate) struct End(pub(crate) Rc<Wire>);

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = &self.0;
        wire.step();
        let mut pace = wire.reading.get();
        let size = pace.next();
        wire.reading.set(pace);
        let Some(size) = size else {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        let rest = &wire.sent[wire.taken.get()..];
        let piece = &rest[..rest.len().min(size).min(buffer.remaining())];
        buffer.put_slice(piece);
        wire.taken.set(wire.taken.get() + piece.len());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wire = &self.0;
        wire.step();
        assert!(!wire.is_shut.get(), "nothing is written behind the end");
        let mut pace = wire.writing.get();
        let size = pace.next();
        wire.writing.set(pace);
        let Some(size) = size else {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        let piece = &bytes[..bytes.len().min(size)];
        wire.written.borrow_mut().extend_from_slice(piece);
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.step();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.step();
        self.0.is_shut.set(true);
        Poll::Ready(Ok(()))
    }
}

/// Accepts this one connection.
pub(crate) struct One(pub(crate) Rc<Wire>);

impl Listener for One {
    type Incoming = Established<End>;

    async fn accept(&mut self) -> io::Result<Self::Incoming> {
        Ok(Established { stream: End(Rc::clone(&self.0)), address: Some(ADDRESS) })
    }
}

/// Runs a future to its end. One that waits and that nothing will wake hangs, and is found.
pub(crate) fn complete<T>(future: impl Future<Output = T>) -> T {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        assert!(woken.0.swap(false, Ordering::Relaxed), "waits for ever");
    }
}
