//! What a gateway lacks, and the directive that it lacks, in that gateway's own words.
//!
//! What can be quoted is quoted from the files in `packaging/gateways`; a test looks for it there.
use crate::config::Family;

/// What a gateway lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// It does not ask, or lets pass what was refused.
    Guard,
    /// It asks, and gets no answer.
    Endpoint,
    /// It asks a path that the endpoint has not.
    EndpointPath,
    /// The token does not arrive.
    Token,
    /// The method does not arrive, or is the client's own word.
    Method,
    /// The path does not arrive, or is the client's own word.
    Path,
    /// The client's address does not arrive.
    Address,
    /// The client's address is the client's own word.
    ForgedAddress,
}

/// The directive.
pub const fn directive(family: Family, lack: Lack) -> &'static str {
    match family {
        Family::Nginx => nginx(lack),
        Family::Caddy => caddy(lack),
        Family::Traefik => traefik(lack),
        Family::Envoy => envoy(lack),
    }
}

const fn nginx(lack: Lack) -> &'static str {
    match lack {
        Lack::Guard => "auth_request /_claviger/authorize;",
        Lack::Endpoint | Lack::EndpointPath => "proxy_pass http://127.0.0.1:8750/authorize;",
        Lack::Token => {
            "proxy_pass_request_headers on, without proxy_set_header X-API-Key \"\" or Authorization \"\";"
        }
        Lack::Method => "proxy_set_header X-Original-Method $request_method;",
        Lack::Path => "proxy_set_header X-Original-URI $request_uri;",
        Lack::Address | Lack::ForgedAddress => "proxy_set_header X-Forwarded-For $remote_addr;",
    }
}

const fn caddy(lack: Lack) -> &'static str {
    match lack {
        Lack::Guard => "forward_auth 127.0.0.1:8750 { … }",
        Lack::Endpoint => "forward_auth 127.0.0.1:8750",
        Lack::EndpointPath => "uri /authorize?",
        Lack::Token => "forward_auth without header_up -X-API-Key and header_up -Authorization",
        Lack::Method => "forward_auth without header_up X-Forwarded-Method",
        Lack::Path => "forward_auth without header_up X-Forwarded-Uri",
        Lack::Address => "forward_auth without header_up -X-Forwarded-For",
        Lack::ForgedAddress => "servers without trusted_proxies that hold this client",
    }
}

const fn traefik(lack: Lack) -> &'static str {
    match lack {
        Lack::Guard => "middlewares: [claviger]",
        Lack::Endpoint | Lack::EndpointPath => "address: \"http://127.0.0.1:8750/authorize\"",
        Lack::Token => "authRequestHeaders with Authorization and X-API-Key, or without a list",
        Lack::Method | Lack::Path => "trustForwardHeader: false",
        Lack::Address => "authRequestHeaders with X-Forwarded-For, or without a list",
        Lack::ForgedAddress => {
            "forwardedHeaders without insecure: true, and trustForwardHeader: false"
        }
    }
}

const fn envoy(lack: Lack) -> &'static str {
    match lack {
        Lack::Guard => "name: envoy.filters.http.ext_authz",
        Lack::Endpoint => "server_uri: { uri: \"http://127.0.0.1:8750\", cluster: claviger }",
        Lack::EndpointPath | Lack::Method | Lack::Path => "path_prefix: /envoy/path",
        Lack::Token => "allowed_headers: - { exact: authorization } - { exact: x-api-key }",
        Lack::Address => "allowed_headers: - { exact: x-forwarded-for }",
        Lack::ForgedAddress => "use_remote_address: true",
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Lack::{Endpoint, EndpointPath, ForgedAddress, Guard, Method, Path},
        *,
    };

    #[test]
    fn what_is_named_stands_in_the_files_that_are_shipped() {
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let files = [
            (
                Family::Nginx,
                include_str!("../../../packaging/gateways/nginx.conf"),
            ),
            (
                Family::Caddy,
                include_str!("../../../packaging/gateways/Caddyfile"),
            ),
            (
                Family::Traefik,
                include_str!("../../../packaging/gateways/traefik-routes.yml"),
            ),
            (
                Family::Envoy,
                include_str!("../../../packaging/gateways/envoy.yaml"),
            ),
        ];
        for (family, file) in files {
            let quoted: &[Lack] = match family {
                Family::Nginx => &[Guard, Method, Path, ForgedAddress],
                Family::Caddy => &[Endpoint],
                Family::Traefik => &[Guard, Endpoint, EndpointPath, Method, Path],
                Family::Envoy => &[Guard, EndpointPath, Method, Path, ForgedAddress],
            };
            for lack in quoted {
                let words = plain(directive(family, *lack));
                assert!(plain(file).contains(&words), "{family:?}: {words}");
            }
        }
    }
}
