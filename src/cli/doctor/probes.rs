//! The probes: harmless requests through a gateway. Each has a token that was never handed out, so
//! it is refused. Its refusal is found in the store by the key id that the token names, or by the
//! same id in the path.
use std::{
    io::Read as _,
    net::{IpAddr, Ipv4Addr, ToSocketAddrs as _, UdpSocket},
    sync::Arc,
    time::Duration,
};
use strum::{EnumCount, VariantArray};

use secrecy::{ExposeSecret as _, SecretString};
use ureq::{
    Agent,
    http::{Request, Uri},
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::probed::ProbedKind;
use crate::{
    config::GatewayKind,
    domain::{
        route::RequestPath,
        text::visible,
        token::{KeyId, Token, TokenPrefix},
    },
    machine::Machine,
};

/// The longest time to wait for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The address that a probe claims, from a network reserved for documentation (RFC 5737).
pub(super) const CLAIMED: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 66));

/// The identity headers, by which the API learns of the key.
pub(super) const IDENTITY: [&str; 5] = [
    "X-Claviger-Key-Id",
    "X-Claviger-Key-Name",
    "X-Claviger-Owner",
    "X-Claviger-Labels",
    "X-Claviger-Decision-Id",
];
/// The value that a probe claims for each of them.
pub(super) const FORGED: &str = "claviger-doctor-forged";
/// The number of bytes of an answer's body that are looked at.
const LONGEST_BODY: u64 = 256 * 1024;

/// The kind of a probe: what it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, VariantArray)]
pub(super) enum ProbeKind {
    /// An ordinary request. Its method is HEAD: a gateway that rewrites HEAD to GET is noticed.
    Plain,
    /// A request that claims another client address.
    ClaimAddress,
    /// A request that claims another method and path.
    ClaimMethodAndPath,
    /// A request with a header that overrides its method.
    Override,
}

impl ProbeKind {
    const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// Returns `true` if the probe says something about what is probed: an application that asks
    /// `/verify` names area and action itself, and a gateway passes on the headers.
    fn is_for(self, kind: ProbedKind) -> bool {
        match self {
            Self::Plain | Self::ClaimAddress => true,
            Self::ClaimMethodAndPath => kind != ProbedKind::Verify,
            Self::Override => kind == ProbedKind::Verify,
        }
    }

    /// Returns the HTTP method of the probe. It is a safe method, because the service behind the
    /// gateway may be unguarded.
    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Plain => "HEAD",
            Self::ClaimAddress | Self::ClaimMethodAndPath | Self::Override => "GET",
        }
    }
}

/// A family of headers in which a probe claims a method and a path. The two families claim
/// different values, so that the refusal shows which of them the endpoint reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, VariantArray)]
pub(super) enum ClaimHeaders {
    /// The `X-Original-…` headers, used with nginx.
    Original,
    /// The `X-Forwarded-…` headers, used with Caddy and Traefik.
    Forwarded,
}

impl ClaimHeaders {
    /// Both families.
    pub(super) const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    const fn word(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Forwarded => "forwarded",
        }
    }

    /// Returns the method that is claimed in these headers.
    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Original => "DELETE",
            Self::Forwarded => "PUT",
        }
    }

    /// Returns `true` if this gateway sends these headers. Envoy sends neither: its method and path
    /// are those of the request to the endpoint.
    pub(super) const fn is_of(self, gateway: GatewayKind) -> bool {
        match self {
            Self::Original => matches!(gateway, GatewayKind::Nginx | GatewayKind::IngressNginx),
            Self::Forwarded => matches!(gateway, GatewayKind::Caddy | GatewayKind::Traefik),
        }
    }
}

/// A request to send through the gateway.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    /// The kind of the probe.
    pub kind: ProbeKind,
    /// The id of the key that the token names.
    pub id: KeyId,
    /// The path of the request.
    pub path: String,
    token: Arc<Token>,
}

impl Probe {
    /// Creates one probe of each kind that says something here, with a path below `base`, in the order in which they are sent.
    pub(super) fn all(base: &str, kind: ProbedKind, machine: &Machine) -> Vec<Self> {
        let base = base.trim_end_matches('/');
        let probe = |kind| {
            let mut chance = |buffer: &mut [u8]| machine.fill(buffer);
            let id = KeyId::draw(&mut chance);
            let token = Arc::new(Token::mint(&TokenPrefix::default(), &id, &mut chance));
            let path = format!("{base}/claviger-doctor-{id}");
            Self {
                kind,
                id,
                path,
                token,
            }
        };
        let kinds = ProbeKind::ALL.into_iter();
        kinds.filter(|it| it.is_for(kind)).map(probe).collect()
    }

    /// Returns the path that a [`ProbeKind::ClaimMethodAndPath`] probe claims in these headers.
    pub(super) fn claimed_path(&self, claim: ClaimHeaders) -> String {
        format!("/claviger-doctor-claims-{}-{}", claim.word(), self.id)
    }
}

/// A gateway's answer to a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GatewayAnswer {
    /// The HTTP status.
    pub status: u16,
    /// `true` if the answer has a decision id (`x-claviger-decision-id`).
    pub decided: bool,
}

/// A client that sends probes to one gateway.
#[derive(Debug, Clone)]
pub(super) struct Prober {
    http: Agent,
    /// The scheme and authority, such as `http://host:port`.
    origin: String,
    /// The path below which the probes are sent.
    pub base: String,
}

impl Prober {
    /// Creates a prober from a URL such as `https://api.example.com/contacts`.
    ///
    /// # Errors
    /// Returns a sentence that says what is wrong with the URL and what to write instead: the
    /// scheme must be `http` or `https`, with a host, an unambiguous path, and neither user, password
    /// nor query.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let refused = |why: &str| {
            // The part before an @ may contain a password.
            let shown = match url.rsplit_once('@') {
                Some((_, rest)) => format!("…@{}", visible(rest)),
                None => visible(url),
            };
            format!(
                "{shown} is no gateway's URL: {why}; write one such as https://api.example.com/contacts, with a path that the gateway guards"
            )
        };
        let uri: Uri = url.parse().map_err(|_| refused("it cannot be read"))?;
        let Some(scheme @ ("http" | "https")) = uri.scheme_str() else {
            return Err(refused("it begins neither with http:// nor with https://"));
        };
        let authority = uri.authority().ok_or_else(|| refused("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(refused("a user and a password have no place in it"));
        }
        let path = RequestPath::read(uri.path().as_bytes());
        if uri.query().is_some() || path.is_none_or(|path| path.unambiguous().is_none()) {
            return Err(refused(
                "programs could read its path differently, or a query follows",
            ));
        }
        Ok(Self {
            http: http_client(scheme == "https"),
            origin: format!("{scheme}://{authority}"),
            base: uri.path().to_owned(),
        })
    }

    /// Sends a probe. Redirects are not followed.
    ///
    /// # Errors
    /// Returns the reason if no answer came.
    pub(super) fn send(&self, probe: &Probe) -> Result<GatewayAnswer, String> {
        let original = probe.claimed_path(ClaimHeaders::Original);
        let forwarded = probe.claimed_path(ClaimHeaders::Forwarded);
        let claimed = CLAIMED.to_string();
        let claims: &[(&str, &str)] = match probe.kind {
            ProbeKind::Plain => &[],
            ProbeKind::Override => &[("X-HTTP-Method-Override", "GET")],
            ProbeKind::ClaimAddress => &[("X-Forwarded-For", &claimed)],
            ProbeKind::ClaimMethodAndPath => &[
                ("X-Original-Method", ClaimHeaders::Original.method()),
                ("X-Original-URI", &original),
                ("X-Forwarded-Method", ClaimHeaders::Forwarded.method()),
                ("X-Forwarded-Uri", &forwarded),
            ],
        };
        let token = [("X-API-Key", probe.token.expose().expose_secret())];
        let headers = [&token, claims].concat();
        Ok(self.ask(probe.kind.method(), &probe.path, &headers)?.0)
    }

    /// Sends a browser's preflight for the path.
    ///
    /// # Errors
    /// Returns the reason if no answer came.
    pub(super) fn send_preflight(&self) -> Result<GatewayAnswer, String> {
        let headers = [
            ("Origin", "https://claviger-doctor.example"),
            ("Access-Control-Request-Method", "GET"),
        ];
        Ok(self.ask("OPTIONS", &self.base, &headers)?.0)
    }

    /// Returns `true` if a client reaches the endpoint's own paths through the location of nginx that asks
    /// it.
    pub(super) fn reaches_endpoint(&self) -> bool {
        let answer = self.ask("GET", "/_claviger/healthz", &[]);
        answer.is_ok_and(|(answer, body)| answer.status == 200 && body == "ok\n")
    }

    /// Sends a request with a good token, and with identity headers of its own that must not arrive.
    /// Returns the answer and the beginning of its body.
    ///
    /// # Errors
    /// Returns the reason if no answer came.
    pub(super) fn send_good(
        &self,
        token: &SecretString,
    ) -> Result<(GatewayAnswer, String), String> {
        let mut headers = vec![("X-API-Key", token.expose_secret())];
        headers.extend(IDENTITY.map(|name| (name, FORGED)));
        headers.push(("X_Claviger_Key_Id", FORGED));
        self.ask("GET", &self.base, &headers)
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(GatewayAnswer, String), String> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.origin));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).map_err(|error| error.to_string())?;
        let answer = self.http.run(request);
        let mut answer = answer.map_err(|error| visible(&error.to_string()))?;
        let heard = GatewayAnswer {
            status: answer.status().as_u16(),
            decided: answer.headers().contains_key("x-claviger-decision-id"),
        };
        let mut body = String::new();
        // A body that is not text shows nothing.
        let _ = answer
            .body_mut()
            .as_reader()
            .take(LONGEST_BODY)
            .read_to_string(&mut body);
        Ok((heard, body))
    }

    /// Returns the address from which this machine connects to the gateway, or `None` if it cannot
    /// be determined.
    pub(super) fn own_address(&self) -> Option<IpAddr> {
        let (scheme, authority) = self.origin.split_once("://")?;
        let port = if scheme == "https" { 443 } else { 80 };
        let places = authority
            .to_socket_addrs()
            .or_else(|_| (authority.trim_matches(['[', ']']), port).to_socket_addrs());
        let place = places.ok()?.next()?;
        let any: IpAddr = if place.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            std::net::Ipv6Addr::UNSPECIFIED.into()
        };
        // No packet is sent: the operating system only selects the source address.
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(place).ok()?;
        Some(socket.local_addr().ok()?.ip().to_canonical())
    }
}

fn http_client(encrypted: bool) -> Agent {
    let config = Agent::config_builder()
        .timeout_global(Some(ANSWER_TIMEOUT))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(concat!("claviger-doctor/", env!("CARGO_PKG_VERSION")));
    if !encrypted {
        return config.build().into();
    }
    let found = rustls_native_certs::load_native_certs().certs;
    let roots = found
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    config.tls_config(tls).build().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateways_url_has_a_scheme_a_host_and_a_path_and_no_more() {
        let prober = Prober::new("http://[::1]:8080/contacts").expect("a URL");
        assert_eq!(
            (prober.origin.as_str(), prober.base.as_str()),
            ("http://[::1]:8080", "/contacts")
        );
        assert_eq!(
            Prober::new("https://api.example.com").expect("a URL").base,
            "/"
        );
        for (url, why) in [
            ("api.example.com", "neither with http"),
            ("ftp://x/", "neither with http"),
            ("http://u:geheim@x/", "no place"),
            ("http://u:geheim@x:y:z/", "cannot be read"),
            ("ftp://u:geheim@x/", "neither with http"),
            ("http://x/a?b", "a query follows"),
            ("http://x/a//b", "read its path differently"),
            ("", "cannot be read"),
        ] {
            let error = Prober::new(url).expect_err(url);
            assert!(error.contains(why), "{url}: {error}");
            assert!(!error.contains("geheim"), "{error}");
        }
    }

    #[test]
    fn this_machines_own_address_is_known() {
        let prober = Prober::new("http://127.0.0.1:8080/").expect("a URL");
        assert_eq!(prober.own_address(), Some([127, 0, 0, 1].into()));
    }
}
