//! The endpoint: a gateway asks it about every request, and it answers allow, deny, or that it
//! cannot decide.
//!
//! It runs without the master key and opens nothing but the store, from which it decides and to
//! which it writes uses. What is asked is read in [`asked`], what a key may do comes from the
//! [`desk`], the decision itself is the domain's, and the answer is made in [`answer`]. Whatever
//! goes wrong is 503: there is one place that answers 200, and it holds an allow in its hands.
mod answer;
mod asked;
mod cache;
mod desk;
mod listen;
mod log;
mod metrics;
mod recorder;
mod verify;

use std::{
    collections::HashSet,
    io,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderValue, Request, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use self::{
    asked::{Asked, Presented},
    desk::{Desk, Undecided},
    log::{Refusals, shown},
    metrics::{Metrics, Readings},
    recorder::Recorder,
};
use crate::{
    config::{Family, Listen, Serve},
    domain::{
        decision::{self, Credential, Decision, DecisionId, DecisionIds, Rules, Target},
        forwarded::{ClientAddress, Peer, TrustedProxy},
        key::{AgentName, LastUse},
        moment::Moment,
    },
    keyring::{Decider, KeyringError, Standing},
    machine,
};

/// How many files are open beside those of connections.
const FILES: u64 = 64;
/// How many untrusted peers are named in the log.
const NAMED_PEERS: usize = 100;

/// Why the endpoint could not begin.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The store.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// It cannot listen there.
    #[error("cannot listen at {place}: {why}")]
    Listen {
        /// Where.
        place: Listen,
        /// The system's reason.
        why: io::Error,
    },
}

/// What all connections share.
struct Endpoint {
    family: Family,
    trusted: Vec<TrustedProxy>,
    decider: Arc<Decider>,
    ids: DecisionIds,
    desk: Desk,
    recorder: Arc<Recorder>,
    metrics: Arc<Metrics>,
    refusals: Refusals,
    faults: Refusals,
    untrusted: Mutex<HashSet<Peer>>,
    open: Arc<Semaphore>,
    connections: usize,
}

/// What a decision is made about, whichever way it came in.
struct Question<'a> {
    presented: &'a Presented,
    want: Want<'a>,
    address: ClientAddress,
    agent: Option<&'a AgentName>,
}

/// Where it leads: worked out already, or by the routes of the moment.
enum Want<'a> {
    Target(Target),
    Way(&'a Asked<'a>),
}

/// A decision, and all that is to be said of it.
struct Decided {
    decision: Decision,
    rules: Option<Arc<Rules>>,
    target: Option<Target>,
    at: Moment,
}

/// Runs the endpoint until `end` comes; then it finishes what was begun and writes down what was
/// counted.
///
/// # Errors
/// [`GatewayError`], if it could not begin.
pub async fn run(
    decider: Decider,
    serve: Serve,
    end: impl Future<Output = ()>,
) -> Result<(), GatewayError> {
    let _log = log::begin(serve.log_format, serve.log_level);
    let workspace = decider.workspace().await?;
    let listener = listen::Listener::bind(&serve.listen, serve.socket_mode).await;
    let listener = listener.map_err(|why| GatewayError::Listen {
        place: serve.listen.clone(),
        why,
    })?;
    let trusted: Vec<String> = serve.trusted.iter().map(ToString::to_string).collect();
    tracing::info!(
        address = %listener.place(),
        gateway = serve.gateway.word(),
        trusted = %if trusted.is_empty() { "nobody".to_owned() } else { trusted.join(" ") },
        workspace = %crate::domain::text::visible(&workspace.label),
        database = %decider.place(),
        actor = %decider.machine().actor(),
        "listening"
    );
    let files = machine::raise_open_files();
    if serve.connections as u64 + FILES > files {
        tracing::warn!(
            files,
            "fewer files may be open than there may be connections: raise the limit (LimitNOFILE, ulimit -n) or lower --max-connections"
        );
    }
    let decider = Arc::new(decider);
    let endpoint = Arc::new(Endpoint {
        family: serve.gateway,
        trusted: serve.trusted,
        desk: Desk::open(Arc::clone(&decider), serve.cache << 20),
        recorder: Arc::new(Recorder::new(Arc::clone(&decider))),
        ids: DecisionIds::draw(&mut |buffer| decider.machine().fill(buffer)),
        decider,
        metrics: Arc::new(Metrics::new()),
        refusals: Refusals::default(),
        faults: Refusals::default(),
        untrusted: Mutex::default(),
        open: Arc::new(Semaphore::new(serve.connections)),
        connections: serve.connections,
    });
    let writer = {
        let (recorder, metrics) = (
            Arc::clone(&endpoint.recorder),
            Arc::clone(&endpoint.metrics),
        );
        tokio::spawn(async move {
            let failed = |error: &KeyringError| {
                metrics.failed_writes.inc();
                tracing::warn!(%error, "uses could not be written down; trying again");
            };
            recorder.work(failed).await;
        })
    };
    let open = Arc::clone(&endpoint.open);
    listen::serve(listener, router(Arc::clone(&endpoint)), open, end).await;
    writer.abort();
    let lost = endpoint.recorder.finish().await;
    if lost > 0 {
        tracing::error!(
            keys = lost,
            "the last uses of some keys could not be written down"
        );
    }
    tracing::info!("ended");
    endpoint.decider.close().await;
    Ok(())
}

fn router(endpoint: Arc<Endpoint>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/verify", post(verify::verify))
        .fallback(authorize)
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(endpoint)
}

/// A fault of ours is no decision either.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    let machine = machine::Machine::real();
    let id = DecisionIds::draw(&mut |buffer| machine.fill(buffer)).next();
    tracing::error!(decision = %id, "the endpoint has a fault: answered with 503");
    answer::undecided(&id)
}

async fn ready(State(endpoint): State<Arc<Endpoint>>) -> Response {
    match endpoint.desk.ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(undecided) => {
            let sentence = format!("not ready: {undecided}\n");
            (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response()
        }
    }
}

async fn metrics(State(endpoint): State<Arc<Endpoint>>) -> Response {
    let gauges = endpoint.desk.gauges();
    let open = endpoint.open.available_permits();
    let text = endpoint.metrics.text(Readings {
        connections: endpoint.connections.saturating_sub(open) as u64,
        waiting: endpoint.recorder.len() as u64,
        epoch: gauges.epoch.load(Ordering::Relaxed),
        cached: gauges.cached.load(Ordering::Relaxed),
        pulses: gauges.pulses.load(Ordering::Relaxed),
        lookups: gauges.lookups.load(Ordering::Relaxed),
    });
    let kind = HeaderValue::from_static(metrics::CONTENT_TYPE);
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// Every request that is for nothing else is one for a decision.
async fn authorize(State(endpoint): State<Arc<Endpoint>>, request: Request<Body>) -> Response {
    let id = endpoint.ids.next();
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
        let mut refused = answer::bad(&id, "An authorization request has no body.");
        let close = HeaderValue::from_static("close");
        refused.headers_mut().insert(header::CONNECTION, close);
        return refused;
    }
    let peer = request.extensions().get::<Peer>().copied();
    let Some(peer) = peer else {
        return answer::undecided(&id);
    };
    let parts = (request.method(), request.uri(), request.headers());
    let asked = Asked::read(endpoint.family, &endpoint.trusted, peer, parts);
    if !asked.trusted {
        endpoint.name_untrusted(peer);
    }
    let question = Question {
        presented: &asked.presented,
        want: Want::Way(&asked),
        address: asked.address,
        agent: asked.agent.as_ref(),
    };
    let decided = endpoint.decide(&id, &question).await;
    match decided {
        Ok(decided) => endpoint.answer(&id, &asked, &decided),
        Err(_) => answer::undecided(&id),
    }
}

impl Endpoint {
    /// Decides, counts, and takes note of a use. What cannot be decided is logged here.
    async fn decide(&self, id: &DecisionId, question: &Question<'_>) -> Result<Decided, Undecided> {
        let machine = self.decider.machine();
        let began = machine.uptime();
        match self.reckon(question).await {
            Ok(decided) => {
                let took = machine.uptime().saturating_sub(began);
                self.metrics.count(&decided.decision, took);
                if let Decision::Allow { key_id } = &decided.decision {
                    let from = match question.address {
                        ClientAddress::Known(address) => Some(address),
                        _ => None,
                    };
                    let usage = LastUse {
                        at: decided.at,
                        from,
                    };
                    self.recorder.note(key_id, usage);
                }
                Ok(decided)
            }
            Err(undecided) => {
                self.metrics.undecided.inc();
                let (admitted, _) = self.faults.admit(ClientAddress::Unknown, began);
                if admitted {
                    tracing::error!(decision = %id, error = %undecided, "could not decide");
                }
                Err(undecided)
            }
        }
    }

    async fn reckon(&self, question: &Question<'_>) -> Result<Decided, Undecided> {
        let (credential, routes) = match question.presented {
            Presented::Nothing => (Credential::Missing, None),
            Presented::Malformed => (Credential::Malformed, None),
            Presented::Token(token) => {
                let told = self.desk.ask(token.key_id()).await?;
                let credential = match told.standing {
                    Standing::Key(digest, rules) if digest == token.digest() => {
                        Credential::Known(rules)
                    }
                    Standing::Revoked(digest) if digest == token.digest() => {
                        Credential::Revoked(token.key_id().clone())
                    }
                    _ => Credential::Unknown,
                };
                (credential, Some(told.routes))
            }
        };
        let target = match (&question.want, routes) {
            (Want::Target(Target::Routed(area, action)), Some(routes)) if routes.knows(area) => {
                Target::Routed(area.clone(), *action)
            }
            (
                Want::Way(Asked {
                    way: Some((scope, method, path)),
                    ..
                }),
                Some(routes),
            ) => routes.target(scope, *method, path),
            _ => Target::NoRoute,
        };
        let request = decision::Request {
            target,
            address: question.address,
            agent: question.agent.cloned(),
            at: self.decider.machine().now(),
        };
        Ok(Decided {
            decision: decision::decide(&credential, &request),
            rules: match credential {
                Credential::Known(rules) => Some(rules),
                _ => None,
            },
            at: request.at,
            target: Some(request.target),
        })
    }

    /// The one place that answers 200.
    fn answer(&self, id: &DecisionId, asked: &Asked<'_>, decided: &Decided) -> Response {
        self.log(id, asked.address, asked.said, decided);
        match (&decided.decision, &decided.rules) {
            (Decision::Allow { key_id }, Some(rules)) => answer::allow(id, key_id, &rules.name),
            (Decision::Deny { reason, .. }, _) => answer::deny(id, *reason),
            (Decision::Allow { .. }, None) => answer::undecided(id),
        }
    }

    /// Allowed requests are counted and not logged, unless everything is to be.
    fn log(
        &self,
        id: &DecisionId,
        address: ClientAddress,
        said: Option<(&str, &[u8])>,
        decided: &Decided,
    ) {
        // Worked out for the few that are logged.
        let way = || {
            said.map_or_else(Default::default, |(method, path)| {
                (shown(method.as_bytes()), shown(path))
            })
        };
        let (area, action) = match &decided.target {
            Some(Target::Routed(area, action)) => (area.as_str(), action.word()),
            _ => ("", ""),
        };
        match &decided.decision {
            Decision::Allow { key_id } if tracing::enabled!(tracing::Level::DEBUG) => {
                let (method, path) = way();
                tracing::debug!(decision = %id, key = %key_id, %address, method, path, area, action, "allowed");
            }
            Decision::Allow { .. } => {}
            Decision::Deny { reason, key_id } => {
                let now = self.decider.machine().uptime();
                let (admitted, summed) = self.refusals.admit(address, now);
                if let Some(count) = summed {
                    tracing::info!(
                        count,
                        "refused, and not logged one by one in the time before"
                    );
                }
                let key = key_id.as_ref().map_or("", |id| id.as_str());
                // Whoever wants to see everything sees everything.
                if admitted || tracing::enabled!(tracing::Level::DEBUG) {
                    let (method, path) = way();
                    tracing::info!(decision = %id, reason = reason.word(), key, %address, method, path, area, action, "refused");
                } else {
                    self.metrics.unlogged.inc();
                }
            }
        }
    }

    /// Says once of each peer that it is not believed, and which flag would change that.
    fn name_untrusted(&self, peer: Peer) {
        let mut named = self
            .untrusted
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if named.len() < NAMED_PEERS && named.insert(peer) {
            tracing::warn!(
                %peer,
                "this peer is no trusted proxy: what it says of method, path and address is ignored. If it is the gateway, start with --trusted-proxy {peer}"
            );
        }
    }
}
