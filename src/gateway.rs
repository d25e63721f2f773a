//! The authorization endpoint: a gateway asks it about every request, and it answers that the
//! request is allowed, is denied, or cannot be decided.
//!
//! It runs without the master key and opens nothing but the store, from which it decides and to
//! which it writes uses. A request is read in [`request`], the rules of its key come from the
//! [`lookup`], the domain makes the decision, and [`answer`] builds the response. Whatever prevents
//! a decision results in status 503, and a malformed request in 400. Only one function allows
//! authorization requests, and it requires a decision that allows.
mod access_log;
mod answer;
mod cache;
mod endpoint;
mod exposition;
mod listen;
mod log;
mod lookup;
mod meter;
mod metrics;
mod recorder;
mod request;
mod service;
mod verify;

use std::{io, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;

pub use listen::PassedSocket;
pub use service::{Service, ServiceSignals};

use self::{
    answer::Response,
    endpoint::Endpoint,
    exposition::MetricsFormat,
    request::{AuthorizationRequest, RequestSettings},
    service::SignalRequest,
};
use crate::{
    config::{Listen, Serve},
    domain::{
        forwarded::{Peer, TrustedProxy},
        text::visible,
    },
    keyring::{Decider, KeyringError},
    machine,
};

/// The pause before the recorder is restarted after a panic.
const RESTART_DELAY: Duration = Duration::from_secs(5);
/// The number of attempts at a first read of the store before the endpoint announces that it is
/// listening.
const STARTUP_READS: usize = 3;
/// The number of open files reserved besides those of connections.
const RESERVED_FILES: u64 = 64;

/// The media type of the answers that are a line of text.
const PLAIN: &str = "text/plain; charset=utf-8";

/// The error when the endpoint cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The store cannot be read.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The endpoint cannot listen at the given address.
    #[error("cannot listen at {place}: {why}. {}", way_out(place, why))]
    Listen {
        /// The address.
        place: Listen,
        /// The system's error.
        why: io::Error,
    },
}

fn way_out(place: &Listen, why: &io::Error) -> &'static str {
    use io::ErrorKind as Kind;
    match (place, why.kind()) {
        (_, Kind::AddrInUse) => {
            "Another program listens there, perhaps another claviger: end it, or choose another place with --listen"
        }
        (Listen::Tcp(_), Kind::AddrNotAvailable) => {
            "This machine has no such address: choose one of its own with --listen"
        }
        (Listen::Tcp(_), Kind::PermissionDenied) => {
            "Ports below 1024 are the system's: choose a higher one with --listen"
        }
        (Listen::Unix(_), Kind::NotFound) => {
            "Make the folder first, or choose another with --listen"
        }
        (Listen::Unix(_), Kind::PermissionDenied) => {
            "Let this user make files in the folder, or choose another with --listen"
        }
        _ => "Choose another place with --listen",
    }
}

/// Runs the endpoint until a signal ends it. Then it finishes open requests and writes the uses that
/// are still waiting. It listens on the socket that the service manager passed, if there is one.
///
/// # Errors
/// Returns [`GatewayError`] if the store cannot be read or the endpoint cannot listen.
pub async fn run(
    decider: Decider,
    mut service: Service,
    mut signals: ServiceSignals,
    socket: Option<PassedSocket>,
) -> Result<(), GatewayError> {
    let serve = &service.serve;
    let log = log::begin(serve.log_format, serve.log_level);
    let workspace = decider.workspace().await?;
    let listener = match socket {
        Some(socket) => listen::Listener::passed(socket),
        None => listen::Listener::bind(&serve.listen, serve.socket_mode).await,
    };
    let listener = listener.map_err(|why| GatewayError::Listen {
        place: serve.listen.clone(),
        why,
    })?;
    let endpoint = Arc::new(Endpoint::new(decider, serve));
    // The first read takes longest, because it opens a connection: no request should have to wait
    // for that. If it fails, requests get 503 until a read succeeds.
    for _ in 0..STARTUP_READS {
        if endpoint.lookups.ready().await.is_ok() {
            break;
        }
    }
    announce(serve, &listener, &endpoint.decider, &workspace.label);
    service::notify_ready();
    let watchdog = tokio::spawn(service::notify_alive());
    let writer = {
        let (recorder, metrics) = (
            Arc::clone(&endpoint.recorder),
            Arc::clone(&endpoint.metrics),
        );
        tokio::spawn(async move {
            let failed = &|error: &KeyringError| {
                metrics.failed_writes.inc();
                tracing::warn!(%error, "uses could not be written down; trying again");
            };
            // A panic must not end the writing: what the recorder still holds is tried again.
            restart_on_panic(|| recorder.work(failed), RESTART_DELAY).await;
        })
    };
    let summer = {
        let endpoint = Arc::clone(&endpoint);
        tokio::spawn(async move {
            loop {
                // The keys that end are a matter of days: a figure of the last minute will do.
                if let Ok(ending) = endpoint.decider.ending_keys().await {
                    endpoint.metrics.set_ending(&ending);
                }
                if let Some(unsent) = endpoint.decider.stream_events().await {
                    tracing::warn!("{unsent}");
                }
                tokio::time::sleep(log::WINDOW).await;
                endpoint.log.summarize(endpoint.decider.machine().uptime());
            }
        })
    };
    let free = Arc::clone(&endpoint.free);
    let responding = {
        let endpoint = Arc::clone(&endpoint);
        move |peer, request| {
            let endpoint = Arc::clone(&endpoint);
            async move {
                let responding = respond(&endpoint, peer, request);
                guarded(responding, || endpoint.faulty()).await
            }
        }
    };
    let end = async {
        while signals.next().await == SignalRequest::Reload {
            service::notify_reloading();
            reload(&mut service, &endpoint, &log);
            service::notify_ready();
        }
        service::notify_stopping();
    };
    let unread = {
        let endpoint = Arc::clone(&endpoint);
        move |peer, why| endpoint.count_bad(None, peer, why)
    };
    listen::serve(listener, responding, unread, free, end).await;
    watchdog.abort();
    writer.abort();
    // A write that was in progress is now either complete or waiting again, never both.
    let _ = writer.await;
    summer.abort();
    endpoint.log.summarize(Duration::MAX);
    let (lost, why) = endpoint.recorder.finish().await;
    if lost > 0 {
        tracing::error!(
            keys = lost,
            why,
            "the last uses of some keys could not be written down"
        );
    }
    endpoint.meter.give_back().await;
    tracing::info!("ended");
    endpoint.decider.close().await;
    Ok(())
}

/// Reads the settings again, and takes them over if all of them can be used.
fn reload(service: &mut Service, endpoint: &Endpoint, log: &log::LogHandle) {
    match service.reload() {
        Ok(()) => {
            let serve = &service.serve;
            endpoint.replace_settings(RequestSettings::of(serve));
            log.set(serve.log_format, serve.log_level);
            tracing::info!(
                trusted = %trusted_words(serve),
                credentials = %credential_words(serve),
                "the settings were read again"
            );
            warn_of_trust(serve, &serve.listen);
        }
        Err(why) => {
            tracing::warn!(%why, "the settings were read again and cannot be used: the previous ones stay in effect");
        }
    }
}

fn trusted_words(serve: &Serve) -> String {
    let mut words: Vec<String> = serve.trusted.iter().map(ToString::to_string).collect();
    if !serve.proxy_secrets.is_empty() {
        words.push("whoever sends a proxy secret".to_owned());
    }
    if words.is_empty() {
        words.push("nobody".to_owned());
    }
    words.join(" ")
}

fn credential_words(serve: &Serve) -> String {
    let words = serve.credentials.iter().map(ToString::to_string);
    words.collect::<Vec<_>>().join(" ")
}

/// Answers one request. Nearly all requests ask for a decision, and should not pay for the others:
/// a router boxes three futures per request, which would cost a fifth of the endpoint's throughput.
async fn respond(endpoint: &Endpoint, peer: Peer, request: Request<Incoming>) -> Response {
    match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/healthz") => {
            answer::text(StatusCode::OK, PLAIN, "ok\n".into())
        }
        (&Method::GET | &Method::HEAD, "/readyz") => ready(endpoint).await,
        (&Method::GET | &Method::HEAD, "/metrics") => metrics(endpoint, request.headers()),
        (&Method::POST, "/verify") => verify::verify(endpoint, peer, request).await,
        _ => authorize(endpoint, peer, &request).await,
    }
}

/// Runs a task that never returns, and starts it again after a pause of `rest` if it panics.
async fn restart_on_panic<F: Future<Output = ()>>(work: impl Fn() -> F, rest: Duration) {
    while AssertUnwindSafe(work()).catch_unwind().await.is_err() {
        tracing::error!("internal error in the recorder of uses: it is started again");
        tokio::time::sleep(rest).await;
    }
}

/// Returns the response, or that of `faulty` if a panic prevented it: a panic is not a decision.
async fn guarded(
    answering: impl Future<Output = Response>,
    faulty: impl FnOnce() -> Response,
) -> Response {
    let answered = AssertUnwindSafe(answering).catch_unwind().await;
    answered.unwrap_or_else(|_| faulty())
}

/// Logs where the endpoint listens and for whom, and warns of settings that are probably mistakes.
fn announce(serve: &Serve, listener: &listen::Listener, decider: &Decider, workspace: &str) {
    tracing::info!(
        address = %listener.place(),
        gateway = serve.gateway.word(),
        trusted = %trusted_words(serve),
        credentials = %credential_words(serve),
        workspace = %visible(workspace),
        database = %decider.place(),
        actor = %decider.machine().actor(),
        "listening"
    );
    warn_of_trust(serve, &listener.place());
    let files = machine::raise_open_files();
    if serve.connections as u64 + RESERVED_FILES > files {
        tracing::warn!(
            files,
            "fewer files may be open than there may be connections: raise the limit (LimitNOFILE, ulimit -n) or lower --max-connections"
        );
    }
}

/// Warns if nobody who can connect is trusted, or everybody is.
fn warn_of_trust(serve: &Serve, place: &Listen) {
    let (fits, such_as): (fn(&TrustedProxy) -> bool, _) = match place {
        Listen::Tcp(_) => (|one| matches!(one, TrustedProxy::Network(_)), "127.0.0.1"),
        Listen::Unix(_) => (|one| matches!(one, TrustedProxy::Unix), "unix"),
    };
    if serve.proxy_secrets.is_empty() && !serve.trusted.iter().any(fits) {
        tracing::warn!(
            "nobody who can connect here is a trusted proxy, so no request can be allowed: name the gateway with --trusted-proxy, such as --trusted-proxy {such_as}"
        );
    }
    if serve.trusted.iter().any(TrustedProxy::is_any_address) {
        tracing::warn!(
            "everybody is a trusted proxy: whoever reaches this endpoint can say what address, method and path they like"
        );
    }
}

/// Returns `true` if a body follows the headers. It would not be read, whether its length is known
/// or not.
fn has_body(headers: &HeaderMap) -> bool {
    let lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    headers.contains_key(header::TRANSFER_ENCODING)
        || lengths.into_iter().any(|length| length.as_bytes() != b"0")
}

async fn ready(endpoint: &Endpoint) -> Response {
    match endpoint.lookups.ready().await {
        Ok(_) => answer::text(StatusCode::OK, PLAIN, "ready\n".into()),
        Err(undecided) => {
            let sentence = format!("not ready: {undecided}\n");
            answer::text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, sentence)
        }
    }
}

fn metrics(endpoint: &Endpoint, headers: &HeaderMap) -> Response {
    let free = endpoint.free.available_permits();
    let connections = endpoint.connections.saturating_sub(free);
    let text = endpoint.metrics.text(connections, endpoint.recorder.len());
    match MetricsFormat::wanted(headers) {
        MetricsFormat::OpenMetrics => answer::text(StatusCode::OK, metrics::OPEN_METRICS, text),
        MetricsFormat::Text => {
            let text = exposition::as_prometheus_text(&text);
            answer::text(StatusCode::OK, exposition::PROMETHEUS_TEXT, text)
        }
    }
}

/// Answers an authorization request; every request that matches no other path is one.
async fn authorize<B>(endpoint: &Endpoint, peer: Peer, request: &Request<B>) -> Response {
    let id = endpoint.ids.next();
    if has_body(request.headers()) {
        let mut refused = endpoint.refuse_bad(
            &id,
            peer,
            "An authorization request has no body: let the gateway ask without it.",
        );
        let close = HeaderValue::from_static("close");
        refused.headers_mut().insert(header::CONNECTION, close);
        return refused;
    }
    let parts = (request.method(), request.uri(), request.headers());
    let settings = endpoint.settings();
    let asked = AuthorizationRequest::read(endpoint.gateway, &settings, peer, parts);
    if !asked.trusted {
        endpoint.log.untrusted(peer);
    }
    match endpoint.decide(&id, &asked).await {
        Ok(decided) => {
            let knows_429 = endpoint.gateway.knows_429();
            answer::decided(&id, &decided, &settings.credentials, knows_429)
        }
        Err(_) => answer::undecided(&id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_work_that_a_fault_ended_begins_again() {
        let begun = std::cell::Cell::new(0);
        let work = || {
            begun.set(begun.get() + 1);
            let last = begun.get() == 3;
            async move { assert!(last, "on purpose") }
        };
        restart_on_panic(work, Duration::ZERO).await;
        assert_eq!(begun.get(), 3);
    }

    #[tokio::test]
    async fn a_fault_of_ours_is_caught() {
        let faulty = || answer::text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, String::new());
        let broken = guarded(async { panic!("on purpose") }, faulty).await;
        assert_eq!(broken.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
