//! A server in place of the API, which keeps the headers of the requests that reach it.
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

/// A server in place of the API. It ends when it is dropped.
pub(super) struct Upstream {
    reached: Arc<Mutex<Vec<HeaderMap>>>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Starts to listen.
    ///
    /// # Errors
    /// Returns a sentence if that is not possible there.
    pub(super) async fn listen(place: SocketAddr) -> Result<Self, String> {
        let listener = TcpListener::bind(place).await.map_err(|why| {
            format!("cannot listen at {place} in place of the API ({why}): end the API for the minute, and name its address with --upstream")
        })?;
        let reached = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&reached);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                let service = service_fn(move |request: Request<Incoming>| {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.push(request.headers().clone());
                    let answer = Response::new(Full::<Bytes>::default());
                    std::future::ready(Ok::<_, Infallible>(answer))
                });
                let connection = http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(Self { reached, task })
    }

    /// Returns the headers of the requests that reached it so far.
    pub(super) fn reached(&self) -> Vec<HeaderMap> {
        let reached = self.reached.lock();
        reached.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}
