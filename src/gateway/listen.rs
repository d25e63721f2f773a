//! Connections: they are accepted up to a limit, served with limits on the size and duration of
//! what a peer sends, and may finish when the endpoint ends.
use std::{
    convert::Infallible,
    io,
    net::IpAddr,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{rt::TokioIo, server::graceful::GracefulShutdown};
use listenfd::ListenFd;
use nix::sys::stat::{Mode, umask};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::Semaphore,
    time::Instant,
};

use super::answer::Response;
use crate::{
    config::{Listen, SocketMode},
    domain::forwarded::Peer,
};

/// The period after which a connection is closed if no request began or ended on it within that
/// period. So a peer has between one and two periods to send the head of a request, or to leave the
/// connection unused.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// The size of the buffer for a request's head, in bytes. A head that is a little larger may still be
/// read, depending on how it arrives.
const LONGEST_HEAD: usize = 32 * 1024;
/// The time that connections have to finish when the endpoint ends.
const FINISH: Duration = Duration::from_secs(10);
/// The pause after a connection could not be accepted, such as because no file was left for it.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);
/// The minimum interval between two warnings about that.
const ACCEPT_WARNING_INTERVAL: Duration = Duration::from_mins(1);

/// A listening socket.
pub(super) enum Listener {
    /// A TCP socket.
    Tcp(TcpListener),
    /// A Unix socket, its path, and the device and inode of its file. The file is removed when the
    /// listener is dropped, unless device and inode show that another file has taken its place, or
    /// are not known because the file belongs to somebody else.
    Unix(UnixListener, std::path::PathBuf, Option<(u64, u64)>),
}

/// An accepted connection.
enum Accepted {
    Tcp(TcpStream, IpAddr),
    Unix(UnixStream),
}

/// A socket on which the service manager listens already (`sd_listen_fds(3)`).
#[derive(Debug)]
pub enum PassedSocket {
    /// A TCP socket.
    Tcp(std::net::TcpListener),
    /// A Unix socket.
    Unix(std::os::unix::net::UnixListener),
}

impl PassedSocket {
    /// Takes the socket that the service manager passed to this process, if there is one. To be
    /// called before any thread exists, because it changes the environment.
    ///
    /// # Errors
    /// Returns a sentence if there are several sockets, or one on which nobody can listen.
    pub fn take() -> Result<Option<Self>, String> {
        let mut passed = ListenFd::from_env();
        match passed.len() {
            0 => return Ok(None),
            1 => {}
            several => {
                return Err(format!(
                    "the service manager passed {several} sockets, and serve listens on one: leave one ListenStream= in the socket unit"
                ));
            }
        }
        if let Ok(Some(socket)) = passed.take_tcp_listener(0) {
            return Ok(Some(Self::Tcp(socket)));
        }
        match passed.take_unix_listener(0) {
            Ok(Some(socket)) => Ok(Some(Self::Unix(socket))),
            _ => Err("the service manager passed no socket to listen on: write ListenStream= with an address and port or a path into the socket unit".to_owned()),
        }
    }
}

impl Listener {
    /// Listens on a socket of the service manager, whose file is not this process's to remove.
    ///
    /// # Errors
    /// Returns the system's error.
    pub(super) fn passed(socket: PassedSocket) -> io::Result<Self> {
        match socket {
            PassedSocket::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpListener::from_std(socket)?))
            }
            PassedSocket::Unix(socket) => {
                socket.set_nonblocking(true)?;
                let place = socket.local_addr()?;
                let path = place.as_pathname().unwrap_or(Path::new("")).to_owned();
                Ok(Self::Unix(UnixListener::from_std(socket)?, path, None))
            }
        }
    }

    /// Starts listening. A socket file that no process listens at any more is replaced.
    ///
    /// # Errors
    /// Returns the system's error, with kind `AddrInUse` if another process listens at the socket.
    pub(super) async fn bind(place: &Listen, mode: SocketMode) -> io::Result<Self> {
        match place {
            Listen::Tcp(address) => Ok(Self::Tcp(TcpListener::bind(address).await?)),
            Listen::Unix(path) => {
                remove_stale_socket(path).await?;
                // The socket is created with mode 0600, so that no other user can connect before
                // its mode is set.
                let before = umask(Mode::from_bits_truncate(0o177));
                let bound = UnixListener::bind(path);
                umask(before);
                let listener = bound?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode.0))?;
                Ok(Self::Unix(listener, path.clone(), node(path)))
            }
        }
    }

    /// Returns the address that it listens on, with the actual port.
    pub(super) fn place(&self) -> Listen {
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|_| Listen::Unix("".into()), Listen::Tcp),
            Self::Unix(_, path, _) => Listen::Unix(path.clone()),
        }
    }

    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Responses are small, and the client waits for each one.
                let _ = stream.set_nodelay(true);
                Ok(Accepted::Tcp(stream, address.ip()))
            }
            Self::Unix(listener, ..) => Ok(Accepted::Unix(listener.accept().await?.0)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path, ours) = self
            && ours.is_some()
            && node(path) == *ours
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Returns the device and inode of a file, which identify it.
fn node(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Removes the file of a socket that no process listens at.
async fn remove_stale_socket(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    match std::fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path)
            }
            _ => Err(io::Error::from(io::ErrorKind::AddrInUse)),
        },
        _ => Ok(()),
    }
}

/// Serves connections until `end` completes, and then lets open ones finish. `respond` answers a
/// request of a peer. `unread` is told why the head of a request could not be read; the peer got
/// status 400 or 431. `free` holds the permits for further connections.
pub(super) async fn serve<Responding>(
    listener: Listener,
    respond: impl Fn(Peer, Request<Incoming>) -> Responding + Clone + Send + 'static,
    unread: impl Fn(Peer, &'static str) + Clone + Send + 'static,
    free: Arc<Semaphore>,
    end: impl Future<Output = ()>,
) where
    Responding: Future<Output = Response> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let mut end = std::pin::pin!(end);
    let mut told = None;
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&free).acquire_owned() => permit,
            () = &mut end => break,
        };
        let Ok(permit) = permit else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut end => break,
        };
        match accepted {
            Ok(Accepted::Tcp(stream, address)) => {
                let peer = Peer::address(address);
                let answering = (respond.clone(), unread.clone());
                serve_connection(stream, peer, answering, &graceful, permit);
            }
            Ok(Accepted::Unix(stream)) => {
                let answering = (respond.clone(), unread.clone());
                serve_connection(stream, Peer::Unix, answering, &graceful, permit);
            }
            Err(error) => {
                drop(permit);
                if told.is_none_or(|told: Instant| told.elapsed() >= ACCEPT_WARNING_INTERVAL) {
                    told = Some(Instant::now());
                    tracing::warn!(%error, "connections cannot be accepted; they wait");
                }
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
    // No new connections are accepted while the open ones finish.
    drop(listener);
    let _ = tokio::time::timeout(FINISH, graceful.shutdown()).await;
}

fn serve_connection<Stream, Responding>(
    stream: Stream,
    peer: Peer,
    (respond, unread): (
        impl Fn(Peer, Request<Incoming>) -> Responding + Send + 'static,
        impl Fn(Peer, &'static str) + Send + 'static,
    ),
    graceful: &GracefulShutdown,
    permit: tokio::sync::OwnedSemaphorePermit,
) where
    Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    Responding: Future<Output = Response> + Send + 'static,
{
    // Incremented whenever a request begins or ends.
    let moves = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&moves);
    let service = service_fn(move |request| {
        counted.fetch_add(1, Ordering::Relaxed);
        let (responding, counted) = (respond(peer, request), Arc::clone(&counted));
        async move {
            let response = responding.await;
            counted.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        }
    });
    // hyper's timer is not used: it creates a new one for every request.
    let connection = http1::Builder::new()
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        let mut connection = std::pin::pin!(connection);
        let mut before = 0;
        let ended = loop {
            if let Ok(ended) = tokio::time::timeout(IDLE_TIMEOUT, &mut connection).await {
                break ended;
            }
            let now = moves.load(Ordering::Relaxed);
            if now == before {
                break Ok(());
            }
            before = now;
        };
        // Any other error concerns only the peer.
        if let Err(error) = ended
            && error.is_parse()
        {
            unread(peer, unread_words(&error));
        }
        drop(permit);
    });
}

/// Returns why the head of a request could not be read.
fn unread_words(error: &hyper::Error) -> &'static str {
    if error.is_parse_too_large() {
        "the request has too many headers, or a head that is too large"
    } else {
        "the request line or a header cannot be read"
    }
}
