//! The faults of a gateway's configuration, and the directive that fixes each, in that gateway's
//! syntax.
//!
//! Directives are quoted from the files in `packaging/gateways` where possible; a test compares
//! them.
use super::probed::ProbedKind;
use crate::config::GatewayKind;

/// The directive where a fault cannot occur.
const NOTHING: &str = "";

/// A fault of a gateway's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GatewayFault {
    /// The gateway does not ask the endpoint, or forwards a request that the endpoint refused.
    Guard,
    /// The gateway asks the endpoint and gets no answer.
    Endpoint,
    /// The gateway asks the endpoint at a path that the endpoint does not serve.
    EndpointPath,
    /// The token does not reach the endpoint.
    Token,
    /// The method does not reach the endpoint, or a client can forge it.
    Method,
    /// The path does not reach the endpoint, or a client can forge it.
    Path,
    /// The client's address does not reach the endpoint.
    Address,
    /// A client can forge its address.
    ForgedAddress,
    /// A browser's preflight is refused.
    Preflight,
    /// An identity header does not reach the API, or a client's own does.
    Identity,
    /// The headers that override a method are not judged.
    Override,
}

/// Returns the directive that fixes the fault.
pub(super) const fn directive(kind: ProbedKind, fault: GatewayFault) -> &'static str {
    let gateway = match kind {
        ProbedKind::Gateway(gateway) => gateway,
        ProbedKind::HaProxy => return haproxy(fault),
        ProbedKind::Apache => return apache(fault),
        ProbedKind::Verify => return verify(fault),
    };
    match gateway {
        GatewayKind::Nginx => nginx(fault),
        GatewayKind::IngressNginx => ingress_nginx(fault),
        GatewayKind::Caddy => caddy(fault),
        GatewayKind::Traefik => traefik(fault),
        GatewayKind::Envoy => envoy(fault),
    }
}

const fn nginx(fault: GatewayFault) -> &'static str {
    match fault {
        GatewayFault::Guard => "auth_request /_claviger/authorize;",
        GatewayFault::Endpoint | GatewayFault::EndpointPath => {
            "proxy_pass http://127.0.0.1:8750/authorize;"
        }
        GatewayFault::Token => {
            "proxy_pass_request_headers on, without proxy_set_header X-API-Key \"\" or Authorization \"\";"
        }
        GatewayFault::Method => "proxy_set_header X-Original-Method $request_method;",
        GatewayFault::Path => "proxy_set_header X-Original-URI $request_uri;",
        GatewayFault::Address | GatewayFault::ForgedAddress => {
            "proxy_set_header X-Forwarded-For $remote_addr;"
        }
        GatewayFault::Preflight => "if ($preflight) { rewrite ^ /_claviger_preflight last; }",
        GatewayFault::Identity => {
            "auth_request_set and proxy_set_header for each, such as proxy_set_header X-Claviger-Key-Id $claviger_key_id;"
        }
        GatewayFault::Override => NOTHING,
    }
}

const fn ingress_nginx(fault: GatewayFault) -> &'static str {
    match fault {
        GatewayFault::Guard | GatewayFault::Endpoint | GatewayFault::EndpointPath => {
            "nginx.ingress.kubernetes.io/auth-url: http://claviger.default.svc:8750/authorize"
        }
        GatewayFault::Token => "no auth-snippet that clears X-API-Key or Authorization",
        GatewayFault::Method => {
            "no auth-method annotation and no auth-snippet that sets X-Original-Method"
        }
        GatewayFault::Path => "no auth-snippet that sets X-Original-URL",
        GatewayFault::Address | GatewayFault::ForgedAddress => {
            "use-forwarded-headers: \"false\" in the controller's ConfigMap, or proxy-real-ip-cidr with the load balancer alone"
        }
        GatewayFault::Preflight => "nginx.ingress.kubernetes.io/enable-cors: \"true\"",
        GatewayFault::Identity => {
            "nginx.ingress.kubernetes.io/auth-response-headers: X-Claviger-Key-Id,X-Claviger-Key-Name,X-Claviger-Owner,X-Claviger-Labels,X-Claviger-Decision-Id"
        }
        GatewayFault::Override => NOTHING,
    }
}

const fn haproxy(fault: GatewayFault) -> &'static str {
    match fault {
        GatewayFault::Guard => "http-request lua.claviger",
        GatewayFault::Endpoint => "setenv CLAVIGER 127.0.0.1:8750",
        GatewayFault::EndpointPath => "http-request set-var(txn.claviger_path) str(/authorize)",
        GatewayFault::Token => "haproxy.lua: kept_back without authorization and x-api-key",
        GatewayFault::Method => "haproxy.lua: \"X-Original-Method: \" .. txn.f:method()",
        GatewayFault::Path => "haproxy.lua: \"X-Original-URI: \" .. (txn.f:pathq() or txn.f:url())",
        GatewayFault::Address | GatewayFault::ForgedAddress => {
            "http-request set-header X-Forwarded-For %[src]"
        }
        GatewayFault::Preflight => "http-request return status 204 hdr Access-Control-Allow-Origin",
        GatewayFault::Identity => "haproxy.lua: txn.http:req_set_header(name, values[1])",
        GatewayFault::Override => NOTHING,
    }
}

const fn apache(fault: GatewayFault) -> &'static str {
    match fault {
        GatewayFault::Guard => "LuaHookAccessChecker apache.lua authorize early",
        GatewayFault::Endpoint => "apache.lua: local claviger = \"127.0.0.1:8750\"",
        GatewayFault::EndpointPath => "SetEnvIf Request_URI ^ CLAVIGER_PATH=/authorize",
        GatewayFault::Token => "apache.lua: kept_back without authorization and x-api-key",
        GatewayFault::Method => "apache.lua: \"X-Original-Method: \" .. r.method",
        GatewayFault::Path => "apache.lua: \"X-Original-URI: \" .. r.unparsed_uri",
        GatewayFault::Address | GatewayFault::ForgedAddress => {
            "apache.lua: \"X-Forwarded-For: \" .. r.useragent_ip"
        }
        GatewayFault::Preflight => "apache.lua: return tell(r, 204, preflight(rest))",
        GatewayFault::Identity => "apache.lua: r.headers_in[name] = value",
        GatewayFault::Override => NOTHING,
    }
}

/// Returns what an application must do that asks `/verify`.
const fn verify(fault: GatewayFault) -> &'static str {
    match fault {
        GatewayFault::Guard => {
            "go on only if \"decision\" is \"allow\", and answer with the \"status\" of the answer of /verify"
        }
        GatewayFault::Endpoint | GatewayFault::EndpointPath => "POST http://127.0.0.1:8750/verify",
        GatewayFault::Token => "\"token\": what follows Bearer in Authorization, or X-API-Key",
        GatewayFault::Address => "\"ip\": the client's address",
        GatewayFault::ForgedAddress => {
            "\"ip\": the address of the connection, or what a proxy of your own says of it"
        }
        GatewayFault::Override => "\"header_names\": the names of all headers of the request",
        GatewayFault::Preflight => "answer OPTIONS before you ask /verify",
        GatewayFault::Method | GatewayFault::Path | GatewayFault::Identity => NOTHING,
    }
}

const fn caddy(fault: GatewayFault) -> &'static str {
    match fault {
        GatewayFault::Guard => "forward_auth 127.0.0.1:8750 { … }",
        GatewayFault::Endpoint => "forward_auth 127.0.0.1:8750",
        GatewayFault::EndpointPath => "uri /authorize?",
        GatewayFault::Token => {
            "forward_auth without header_up -X-API-Key and header_up -Authorization"
        }
        GatewayFault::Method => "forward_auth without header_up X-Forwarded-Method",
        GatewayFault::Path => "forward_auth without header_up X-Forwarded-Uri",
        GatewayFault::Address => "forward_auth without header_up -X-Forwarded-For",
        GatewayFault::ForgedAddress => {
            "a `servers` block whose trusted_proxies do not hold this client"
        }
        GatewayFault::Preflight => "handle @preflight {",
        GatewayFault::Identity => {
            "copy_headers X-Claviger-Key-Id X-Claviger-Key-Name X-Claviger-Owner X-Claviger-Labels X-Claviger-Decision-Id"
        }
        GatewayFault::Override => NOTHING,
    }
}

const fn traefik(fault: GatewayFault) -> &'static str {
    match fault {
        GatewayFault::Guard => "middlewares: [clean, claviger]",
        GatewayFault::Endpoint | GatewayFault::EndpointPath => {
            "address: \"http://127.0.0.1:8750/authorize\""
        }
        GatewayFault::Token => {
            "authRequestHeaders with Authorization and X-API-Key, or without a list"
        }
        GatewayFault::Method | GatewayFault::Path => "trustForwardHeader: false",
        GatewayFault::Address => "authRequestHeaders with X-Forwarded-For, or without a list",
        GatewayFault::ForgedAddress => {
            "forwardedHeaders without insecure: true, and trustForwardHeader: false"
        }
        GatewayFault::Preflight => "middlewares: [preflight]",
        GatewayFault::Identity => {
            "authResponseHeadersRegex: &identity \"(?i)^X[-_.]Claviger[-_.]\""
        }
        GatewayFault::Override => NOTHING,
    }
}

const fn envoy(fault: GatewayFault) -> &'static str {
    match fault {
        GatewayFault::Guard => "name: envoy.filters.http.ext_authz",
        GatewayFault::Endpoint => {
            "server_uri: { uri: \"http://127.0.0.1:8750\", cluster: claviger }"
        }
        GatewayFault::EndpointPath | GatewayFault::Method | GatewayFault::Path => {
            "path_prefix: /envoy/path"
        }
        GatewayFault::Token => "allowed_headers: - { exact: authorization } - { exact: x-api-key }",
        GatewayFault::Address => "allowed_headers: - { exact: x-forwarded-for }",
        GatewayFault::ForgedAddress => "use_remote_address: true",
        GatewayFault::Preflight => "direct_response: { status: 204 }",
        GatewayFault::Identity => "allowed_upstream_headers: patterns: [{ prefix: x-claviger- }]",
        GatewayFault::Override => NOTHING,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        GatewayFault::{
            Endpoint, EndpointPath, ForgedAddress, Guard, Identity, Method, Path, Preflight,
        },
        *,
    };

    #[test]
    fn every_directive_is_in_a_shipped_file() {
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let file = |name: &str| {
            let folder =
                std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/gateways");
            plain(&std::fs::read_to_string(folder.join(name)).expect(name))
        };
        let of = ProbedKind::Gateway;
        let rows: [(ProbedKind, &[&str], &[GatewayFault]); 6] = [
            (
                of(GatewayKind::Nginx),
                &["nginx.conf"],
                &[Guard, Method, Path, ForgedAddress, Preflight],
            ),
            (
                of(GatewayKind::Caddy),
                &["Caddyfile"],
                &[Endpoint, Preflight, Identity],
            ),
            (
                of(GatewayKind::Traefik),
                &["traefik-routes.yml"],
                &[
                    Guard,
                    Endpoint,
                    EndpointPath,
                    Method,
                    Path,
                    Preflight,
                    Identity,
                ],
            ),
            (
                of(GatewayKind::Envoy),
                &["envoy.yaml"],
                &[
                    Guard,
                    EndpointPath,
                    Method,
                    Path,
                    ForgedAddress,
                    Preflight,
                    Identity,
                ],
            ),
            (
                ProbedKind::HaProxy,
                &["haproxy.cfg", "haproxy.lua"],
                &[
                    Guard,
                    Endpoint,
                    EndpointPath,
                    Method,
                    Path,
                    ForgedAddress,
                    Preflight,
                    Identity,
                ],
            ),
            (
                ProbedKind::Apache,
                &["apache.conf", "apache.lua"],
                &[
                    Guard,
                    Endpoint,
                    EndpointPath,
                    Method,
                    Path,
                    ForgedAddress,
                    Preflight,
                    Identity,
                ],
            ),
        ];
        for (kind, names, faults) in rows {
            let files: Vec<String> = names.iter().map(|name| file(name)).collect();
            for fault in faults {
                let words = plain(directive(kind, *fault));
                let words = words
                    .split_once(".lua: ")
                    .map_or(words.as_str(), |(_, line)| line);
                let shipped = files.iter().any(|file| file.contains(words));
                assert!(shipped, "{kind:?}: {words}");
            }
        }
    }
}
