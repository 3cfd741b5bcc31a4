//! What every port does with its connections: a bounded number of them, and none that is open for nothing.
//!
//! A [`Listener`] gives [`Connection`]s, which end by themselves when nothing comes on them for too long; [`HoldLayer`]
//! around a service says while a request is in flight, since then the time is the request's own. How long a body may take
//! is in `slow_body.rs`.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::http::{Request, Response};
use axum::serve::IncomingStream;
use http_body::{Frame, SizeHint};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep};
use tower::{Layer, Service};
use tracing::{debug, warn};

use super::places::{Held, PLACES, Place, Taken};

/// How long the rest of a request's head may take when its first byte has come, and how long a new connection may say
/// nothing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection of HTTP/1 is kept between two requests. Longer than clients and proxies keep theirs, so that
/// it is they who end it, and no request meets a connection that is just being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(180);
/// The same for HTTP/2, whose clients keep one connection for everything.
const HTTP2_IDLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// How long a peer may not take what is sent to it.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause after a connection that could not be accepted because of this process itself.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// What a connection of HTTP/2 begins with, and no request of HTTP/1.
const HTTP2_PREFACE: &[u8; 4] = b"PRI ";

/// A port.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    /// Whether the last one could not be accepted, which is said once.
    fails: bool,
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self { listener, fails: false }
    }
}

impl Listener {
    /// Waits for the next connection, and for room for it.
    pub async fn next(&mut self) -> (Connection, SocketAddr) {
        loop {
            PLACES.wait_for_room().await;
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    self.fails = false;
                    return (Connection::new(stream), address);
                }
                Err(error) if is_of_peer(&error) => debug!(%error, "a connection was given up"),
                Err(error) => {
                    // Above all: no more files. One that is open for nothing makes room.
                    PLACES.make_room(None);
                    if !std::mem::replace(&mut self.fails, true) {
                        warn!(%error, "connections cannot be accepted");
                    }
                    sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }
}

fn is_of_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        self.next().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when nothing comes on it for too long and nothing is in flight.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    taken: Taken,
    begun: Begun,
    timer: Pin<Box<Sleep>>,
}

/// What has come on a connection.
#[derive(Debug, Default)]
struct Begun {
    /// The first bytes of all.
    first: Vec<u8>,
    /// The time without requests in which something came, and when its first byte did.
    head: Option<(u64, Instant)>,
}

impl Begun {
    fn came(&mut self, bytes: &[u8], place: &Place) {
        let missing = HTTP2_PREFACE.len().saturating_sub(self.first.len());
        self.first.extend(bytes.iter().take(missing));
        let (rest, _) = place.rest();
        if self.head.is_none_or(|(it, _)| it != rest) {
            self.head = Some((rest, Instant::now()));
        }
    }

    /// When the connection ends, if nothing comes until then.
    fn deadline(&self, place: &Place) -> Instant {
        let (rest, since) = place.rest();
        if self.first == HTTP2_PREFACE {
            return since + HTTP2_IDLE_TIMEOUT;
        }
        match self.head {
            Some((it, began)) if it == rest => began + HEAD_TIMEOUT,
            None => since + HEAD_TIMEOUT,
            Some(_) => since + IDLE_TIMEOUT,
        }
    }
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        // Answers are small and somebody waits for each.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "no TCP_NODELAY");
        }
        if let Err(error) = SockRef::from(&stream).set_tcp_user_timeout(Some(SEND_TIMEOUT)) {
            debug!(%error, "no TCP_USER_TIMEOUT");
        }
        let timer = Box::pin(sleep(HEAD_TIMEOUT));
        Self { stream, taken: PLACES.take(), begun: Begun::default(), timer }
    }

    /// What the requests of this connection hold on to.
    pub fn requests(&self) -> Requests {
        Requests(Arc::clone(&self.taken.place))
    }

    /// Ready when the connection has been open for nothing for too long.
    fn poll_too_long(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let place = &self.taken.place;
            // Nobody says when the last request has ended: then the timer is looked at again.
            let deadline = match place.is_in_use() {
                true => Instant::now() + HEAD_TIMEOUT,
                false => self.begun.deadline(place),
            };
            // A timer that ends too early is set again when it does.
            if deadline < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(deadline);
            }
            ready!(self.timer.as_mut().poll(cx));
            if !self.taken.place.is_in_use()
                && self.begun.deadline(&self.taken.place) <= Instant::now()
            {
                return Poll::Ready(());
            }
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.taken.place.is_closing(cx.waker()) && !this.taken.place.is_in_use() {
            // As if the peer had ended it: its reader then closes it.
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Ready(result) => {
                if let Some(bytes @ [_, ..]) = buffer.filled().get(before..) {
                    this.begun.came(bytes, &this.taken.place);
                }
                Poll::Ready(result)
            }
            Poll::Pending => this.poll_too_long(cx).map(Ok),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// What the requests of a connection hold on to while they are in flight; among each request's extensions.
#[derive(Debug, Clone)]
pub struct Requests(Arc<Place>);

impl Connected<IncomingStream<'_, Listener>> for Requests {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        stream.io().requests()
    }
}

/// Holds a connection open from a request's head to the end of its answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct HoldLayer;

/// See [`HoldLayer`].
#[derive(Debug, Clone)]
pub struct Hold<S>(S);

impl<S> Layer<S> for HoldLayer {
    type Service = Hold<S>;

    fn layer(&self, inner: S) -> Hold<S> {
        Hold(inner)
    }
}

impl<S, Q, R> Service<Request<Q>> for Hold<S>
where
    S: Service<Request<Q>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<HeldBody<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let extensions = request.extensions();
        let requests = extensions
            .get::<Requests>()
            .or_else(|| extensions.get::<ConnectInfo<Requests>>().map(|ConnectInfo(it)| it));
        let held = requests.map(|Requests(place)| Held::new(place));
        let response = self.0.call(request);
        Box::pin(async move {
            let response = response.await?;
            Ok(response.map(|body| HeldBody { body, _held: held }))
        })
    }
}

/// The body of an answer; its connection is in use until it is dropped.
#[derive(Debug)]
pub struct HeldBody<B> {
    body: B,
    _held: Option<Held>,
}

impl<B: HttpBody + Unpin> HttpBody for HeldBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl From<HeldBody<Body>> for Body {
    fn from(held: HeldBody<Body>) -> Self {
        Body::new(held)
    }
}
