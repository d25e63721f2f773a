//! The faults of a gateway's configuration, and the directive that fixes each, in that gateway's
//! syntax.
//!
//! Directives are quoted from the files in `packaging/gateways` where possible; a test compares
//! them.
use crate::config::GatewayKind;

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
}

/// Returns the directive that fixes the fault.
pub(super) const fn directive(gateway: GatewayKind, fault: GatewayFault) -> &'static str {
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
    }
}

#[cfg(test)]
mod tests {
    use super::{
        GatewayFault::{Endpoint, EndpointPath, ForgedAddress, Guard, Method, Path},
        *,
    };

    #[test]
    fn what_is_named_stands_in_the_files_that_are_shipped() {
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let files = [
            (
                GatewayKind::Nginx,
                include_str!("../../../packaging/gateways/nginx.conf"),
            ),
            (
                GatewayKind::Caddy,
                include_str!("../../../packaging/gateways/Caddyfile"),
            ),
            (
                GatewayKind::Traefik,
                include_str!("../../../packaging/gateways/traefik-routes.yml"),
            ),
            (
                GatewayKind::Envoy,
                include_str!("../../../packaging/gateways/envoy.yaml"),
            ),
        ];
        for (gateway, file) in files {
            let quoted: &[GatewayFault] = match gateway {
                GatewayKind::Nginx => &[Guard, Method, Path, ForgedAddress],
                GatewayKind::IngressNginx => &[],
                GatewayKind::Caddy => &[Endpoint],
                GatewayKind::Traefik => &[Guard, Endpoint, EndpointPath, Method, Path],
                GatewayKind::Envoy => &[Guard, EndpointPath, Method, Path, ForgedAddress],
            };
            for fault in quoted {
                let words = plain(directive(gateway, *fault));
                assert!(plain(file).contains(&words), "{gateway:?}: {words}");
            }
        }
    }
}
