//! Connections: accepted up to a limit, served with limits on what a peer may send and on how
//! long it may take, and let finish when the endpoint ends.
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

use axum::{http::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{rt::TokioIo, server::graceful::GracefulShutdown};
use nix::sys::stat::{Mode, umask};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::Semaphore,
    time::Instant,
};

use crate::{
    config::{Listen, SocketMode},
    domain::forwarded::Peer,
};

/// A connection on which no request has begun and none has ended for so long is closed: between
/// one and two of it a peer may take for the head of a request, or leave a connection unused.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest head of a request, in bytes, and the most headers in it.
const LONGEST_HEAD: usize = 32 * 1024;
/// How long connections may take to finish when the endpoint ends.
const FINISH: Duration = Duration::from_secs(10);
/// How long to wait after a connection could not be accepted: no file was left for it.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);
/// How long nothing more is said of that.
const ACCEPT_WARNING_INTERVAL: Duration = Duration::from_mins(1);

/// A place to listen at.
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket, whose file goes when it ends, unless it is another's by then: its device and
    /// inode tell.
    Unix(UnixListener, std::path::PathBuf, Option<(u64, u64)>),
}

/// A connection from somebody.
enum Accepted {
    Tcp(TcpStream, IpAddr),
    Unix(UnixStream),
}

impl Listener {
    /// Begins to listen. A socket's file that nobody listens at any more is taken over.
    ///
    /// # Errors
    /// The system's.
    pub async fn bind(place: &Listen, mode: SocketMode) -> io::Result<Self> {
        match place {
            Listen::Tcp(address) => Ok(Self::Tcp(TcpListener::bind(address).await?)),
            Listen::Unix(path) => {
                remove_stale_socket(path).await?;
                // From its first moment on it is nobody else's.
                let before = umask(Mode::from_bits_truncate(0o177));
                let bound = UnixListener::bind(path);
                umask(before);
                let listener = bound?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode.0))?;
                Ok(Self::Unix(listener, path.clone(), node(path)))
            }
        }
    }

    /// Where it listens, the port known.
    pub fn place(&self) -> Listen {
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
                // Answers are small, and whoever asks waits for each.
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
            && node(path) == *ours
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Which file it is.
fn node(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Takes away the file of a socket that nobody listens at.
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

/// Serves connections until `end` comes, and then finishes what was begun. `respond` answers a
/// request of a peer. `free` are the connections that may still come.
pub async fn serve<Responding>(
    listener: Listener,
    respond: impl Fn(Peer, Request<Incoming>) -> Responding + Clone + Send + 'static,
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
                serve_connection(stream, peer, respond.clone(), &graceful, permit);
            }
            Ok(Accepted::Unix(stream)) => {
                serve_connection(stream, Peer::Unix, respond.clone(), &graceful, permit);
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
    // Nobody new is let in while the others finish.
    drop(listener);
    let _ = tokio::time::timeout(FINISH, graceful.shutdown()).await;
}

fn serve_connection<Stream, Responding>(
    stream: Stream,
    peer: Peer,
    respond: impl Fn(Peer, Request<Incoming>) -> Responding + Send + 'static,
    graceful: &GracefulShutdown,
    permit: tokio::sync::OwnedSemaphorePermit,
) where
    Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    Responding: Future<Output = Response> + Send + 'static,
{
    // Raised whenever a request begins or ends.
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
    // No timer of hyper's: it makes one anew for every request.
    let connection = http1::Builder::new()
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        let mut connection = std::pin::pin!(connection);
        let mut before = 0;
        // How it broke off is the peer's affair.
        while tokio::time::timeout(IDLE_TIMEOUT, &mut connection)
            .await
            .is_err()
        {
            let now = moves.load(Ordering::Relaxed);
            if now == before {
                break;
            }
            before = now;
        }
        drop(permit);
    });
}
