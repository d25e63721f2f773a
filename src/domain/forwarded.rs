//! Determines the client's address, as far as the peer is trusted to report it.
//!
//! Only a trusted proxy is believed, and only about addresses that it saw itself: the entries that
//! it forwards are read from the right, past further trusted proxies, to the first address that is
//! not a trusted proxy. Everything to the left of that may have been written by the client. No peer
//! is trusted unless it is configured as a trusted proxy.
mod element;

use std::{fmt, net::IpAddr, str::FromStr};

pub use element::parse_client_address;

use ipnet::IpNet;

use super::allowlist::{self, AllowListError};

/// The maximum number of entries in `X-Forwarded-For`.
pub const MAX_HOPS: usize = 100;

/// The peer of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A peer on the network, with this address.
    Address(IpAddr),
    /// A peer on the Unix socket.
    Unix,
}

impl Peer {
    /// Creates a peer on the network; an IPv4-mapped IPv6 address becomes IPv4.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// A peer whose headers are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedProxy {
    /// Every peer that connects from this network.
    Network(IpNet),
    /// Every peer that connects to the Unix socket.
    Unix,
}

impl TrustedProxy {
    /// Returns `true` if the proxy is every address of a family.
    #[must_use]
    pub fn is_any_address(&self) -> bool {
        matches!(self, Self::Network(network) if network.prefix_len() == 0)
    }
}

impl FromStr for TrustedProxy {
    type Err = AllowListError;

    fn from_str(text: &str) -> Result<Self, AllowListError> {
        match text.trim() {
            "unix" => Ok(Self::Unix),
            network => allowlist::parse_network(network).map(Self::Network),
        }
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => f.write_str(&allowlist::written(network)),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// The client's address, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAddress {
    /// The address is known.
    Known(IpAddr),
    /// No address was given. A key that may be used from any address is still allowed.
    Unknown,
    /// The given address cannot be parsed or trusted. No key is allowed.
    Unreadable,
}

impl From<Option<IpAddr>> for ClientAddress {
    fn from(address: Option<IpAddr>) -> Self {
        address.map_or(Self::Unknown, |address| Self::Known(address.to_canonical()))
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(address) => address.fmt(f),
            Self::Unknown => f.write_str("unknown"),
            Self::Unreadable => f.write_str("unreadable"),
        }
    }
}

/// The origin of the client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// The address of the connection itself.
    Connection,
    /// An entry of `X-Forwarded-For`: its position, counted from the right, and the number of
    /// entries.
    Forwarded {
        /// The position; 1 is the entry that the gateway itself added.
        place: usize,
        /// The number of entries.
        of: usize,
    },
    /// The request itself gave the address.
    Given,
    /// No address was given.
    Nowhere,
}

impl Hop {
    /// Returns the word in the database.
    #[must_use]
    pub fn word(self) -> String {
        match self {
            Self::Connection => "connection".to_owned(),
            Self::Forwarded { place, of } => format!("{place}/{of}"),
            Self::Given => "said".to_owned(),
            Self::Nowhere => String::new(),
        }
    }

    /// Returns the hop with this word, or `None` if the word is invalid.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "connection" => Self::Connection,
            "said" => Self::Given,
            "" => Self::Nowhere,
            word => {
                let (place, of) = word.split_once('/')?;
                Self::Forwarded {
                    place: place.parse().ok()?,
                    of: of.parse().ok()?,
                }
            }
        })
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection => f.write_str("the connection itself"),
            Self::Forwarded { place, of } => {
                write!(f, "hop {place} of {of} in X-Forwarded-For")
            }
            Self::Given => f.write_str("whoever asked"),
            Self::Nowhere => f.write_str("nobody"),
        }
    }
}

/// The client's address and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The address.
    pub address: ClientAddress,
    /// The origin of the address.
    pub hop: Hop,
    /// What was forwarded in place of an address, if it is unreadable. It is the client's text.
    pub unreadable: Option<String>,
}

impl Client {
    /// Creates a client from the address that the request itself gave, or did not give.
    #[must_use]
    pub fn given(address: Option<IpAddr>) -> Self {
        Self {
            address: address.into(),
            hop: address.map_or(Hop::Nowhere, |_| Hop::Given),
            unreadable: None,
        }
    }
}

/// Returns `true` if the peer is one of the trusted proxies.
#[must_use]
pub fn is_trusted(peer: Peer, trusted: &[TrustedProxy]) -> bool {
    trusted.iter().any(|proxy| match (proxy, peer) {
        (TrustedProxy::Unix, Peer::Unix) => true,
        (TrustedProxy::Network(network), Peer::Address(address)) => network.contains(&address),
        _ => false,
    })
}

/// Returns the client's address: the peer's own address, or, if the peer is trusted, the address
/// that it forwards in the lines of `X-Forwarded-For`.
#[must_use]
pub fn client<'a>(
    peer: Peer,
    is_trusted_peer: bool,
    lines: impl DoubleEndedIterator<Item = &'a [u8]>,
    trusted: &[TrustedProxy],
) -> Client {
    if !is_trusted_peer {
        return match peer {
            Peer::Address(address) => Client {
                address: ClientAddress::Known(address),
                hop: Hop::Connection,
                unreadable: None,
            },
            Peer::Unix => Client::given(None),
        };
    }
    let elements = lines
        .rev()
        .flat_map(|line| line.rsplit(|byte| *byte == b','));
    let mut address = ClientAddress::Unknown;
    let (mut place, mut of) = (0, 0);
    let mut beyond = false;
    let mut unreadable = None;
    for element in elements {
        of += 1;
        if of > MAX_HOPS {
            (address, place) = (ClientAddress::Unreadable, of);
            unreadable = Some(format!("more than {MAX_HOPS} entries"));
            break;
        }
        if beyond {
            continue;
        }
        place = of;
        let found = element::read(element);
        address = found.map_or(ClientAddress::Unreadable, ClientAddress::Known);
        if found.is_none() {
            unreadable = Some(String::from_utf8_lossy(element).trim().to_owned());
        }
        beyond = found.is_none_or(|found| !is_trusted(Peer::Address(found), trusted));
    }
    let hop = match of {
        0 => Hop::Nowhere,
        of => Hop::Forwarded { place, of },
    };
    Client {
        address,
        hop,
        unreadable,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trusted(list: &[&str]) -> Vec<TrustedProxy> {
        let each = list.iter().map(|one| one.parse().expect("a proxy"));
        each.collect()
    }

    fn client(peer: &str, lines: &[&str], proxies: &[&str]) -> String {
        let peer = match peer {
            "unix" => Peer::Unix,
            address => Peer::address(address.parse().expect("an address")),
        };
        let lines = lines.iter().map(|line| line.as_bytes());
        let trusted = trusted(proxies);
        super::client(peer, is_trusted(peer, &trusted), lines, &trusted)
            .address
            .to_string()
    }

    #[test]
    fn nobody_is_trusted_unless_named() {
        assert_eq!(client("192.0.2.9", &["10.0.0.1"], &[]), "192.0.2.9");
        assert_eq!(client("127.0.0.1", &["10.0.0.1"], &[]), "127.0.0.1");
        assert_eq!(client("::ffff:127.0.0.1", &["10.0.0.1"], &[]), "127.0.0.1");
        assert_eq!(client("unix", &["10.0.0.1"], &[]), "unknown");
        assert_eq!(client("unix", &["10.0.0.1"], &["127.0.0.1"]), "unknown");
        assert_eq!(client("192.0.2.9", &["10.0.0.1"], &["unix"]), "192.0.2.9");
    }

    #[test]
    fn a_trusted_proxy_is_walked_from_the_right() {
        let proxies = ["127.0.0.1", "10.9.0.0/16", "unix"];
        for (lines, expected) in [
            (vec!["192.0.2.7"], "192.0.2.7"),
            (vec!["10.0.0.1, 192.0.2.7"], "192.0.2.7"),
            (vec!["10.0.0.1", "192.0.2.7"], "192.0.2.7"),
            (vec!["10.0.0.1 ,\t192.0.2.7\t, 10.9.3.4"], "192.0.2.7"),
            (vec!["192.0.2.7, 10.9.3.4", "127.0.0.1"], "192.0.2.7"),
            (vec!["10.9.3.4, 10.9.3.5"], "10.9.3.4"),
            (vec!["::ffff:192.0.2.7"], "192.0.2.7"),
            (vec!["::ffff:192.0.2.7, ::ffff:10.9.1.1"], "192.0.2.7"),
            (vec!["2001:db8::1"], "2001:db8::1"),
            // Load balancers add the port.
            (vec!["192.0.2.7:5678"], "192.0.2.7"),
            (vec!["10.0.0.1, 192.0.2.7:1, 10.9.3.4:65535"], "192.0.2.7"),
            (vec!["[2001:db8::7]"], "2001:db8::7"),
            (vec!["[2001:db8::7]:443"], "2001:db8::7"),
            (
                vec!["[::ffff:192.0.2.7]:443, [::ffff:10.9.1.1]"],
                "192.0.2.7",
            ),
            // Entries to the left of the client's address are written by the client.
            (vec!["nonsense, 192.0.2.7"], "192.0.2.7"),
            (vec![], "unknown"),
        ] {
            for peer in ["127.0.0.1", "::ffff:127.0.0.1", "10.9.255.255", "unix"] {
                assert_eq!(client(peer, &lines, &proxies), expected, "{lines:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_read_on_the_way_denies() {
        for element in [
            "",
            " ",
            "010.0.0.1",
            "0x7f.1",
            "127.1",
            "fe80::1%eth0",
            "010.0.0.1:80",
            "1.2.3.4:",
            "1.2.3.4:0",
            "1.2.3.4:080",
            "1.2.3.4:65536",
            "1.2.3.4:+80",
            "1.2.3.4:80:80",
            "1.2.3.4: 80",
            "1.2.3.4:http",
            "::ffff:1.2.3.4:80",
            "[1.2.3.4]",
            "[1.2.3.4]:80",
            "[2001:db8::1",
            "[2001:db8::1]443",
            "[2001:db8::1]:",
            "[2001:db8::1]:0",
            "[fe80::1%eth0]:443",
            "2001:db8::1]:443",
            "unknown",
            "_hidden",
            "localhost",
            "1.2.3.4.5",
            "for=1.2.3.4",
            "1.2.3.4;x",
            "é",
        ] {
            let alone = client("127.0.0.1", &[element], &["127.0.0.1"]);
            assert_eq!(alone, "unreadable", "{element:?}");
            let last = format!("10.0.0.1,{element}");
            assert_eq!(client("127.0.0.1", &[&last], &["127.0.0.1"]), "unreadable");
        }
        let hops = |count: usize| vec!["192.0.2.7"; count].join(",");
        assert_eq!(
            client("127.0.0.1", &[&hops(100)], &["127.0.0.1"]),
            "192.0.2.7"
        );
        assert_eq!(
            client("127.0.0.1", &[&hops(101)], &["127.0.0.1"]),
            "unreadable"
        );
    }

    #[test]
    fn what_is_unreadable_is_told() {
        let unreadable = |line: &str| {
            let lines = std::iter::once(line.as_bytes());
            super::client(Peer::Unix, true, lines, &trusted(&["10.9.0.0/16"])).unreadable
        };
        assert_eq!(unreadable("192.0.2.7:5678"), None);
        assert_eq!(unreadable("x, 192.0.2.7"), None);
        assert_eq!(
            unreadable("192.0.2.7, nonsense , 10.9.0.1").as_deref(),
            Some("nonsense")
        );
        let long = vec!["10.9.0.1"; 101].join(",");
        assert_eq!(unreadable(&long).as_deref(), Some("more than 100 entries"));
    }

    #[test]
    fn the_hop_that_gave_the_address_is_told() {
        let hop = |peer: &str, line: &str| {
            let peer = Peer::address(peer.parse().expect("an address"));
            let lines = (!line.is_empty()).then_some(line.as_bytes()).into_iter();
            let proxies = trusted(&["127.0.0.1", "10.9.0.0/16"]);
            super::client(peer, is_trusted(peer, &proxies), lines, &proxies).hop
        };
        let long = vec!["192.0.2.7"; 101].join(",");
        for (peer, line, word) in [
            ("192.0.2.9", "10.0.0.1", "connection"),
            ("127.0.0.1", "", ""),
            ("127.0.0.1", "192.0.2.7", "1/1"),
            ("127.0.0.1", "1.1.1.1, 192.0.2.7, 10.9.0.1", "2/3"),
            ("127.0.0.1", "1.1.1.1, nonsense, 10.9.0.1", "2/3"),
            ("127.0.0.1", "10.9.0.2, 10.9.0.1", "2/2"),
            ("127.0.0.1", &long, "101/101"),
        ] {
            assert_eq!(hop(peer, line).word(), word, "{line}");
            assert_eq!(Hop::from_word(word), Some(hop(peer, line)));
        }
        assert_eq!(Hop::from_word("said"), Some(Hop::Given));
        assert_eq!(Hop::from_word("1"), None);
    }

    #[test]
    fn everybody_is_every_address_of_a_family() {
        let everybody = trusted(&["0.0.0.0/0", "::/0"]);
        assert!(everybody.iter().all(TrustedProxy::is_any_address));
        assert!(
            !trusted(&["10.0.0.0/8", "unix"])
                .iter()
                .any(TrustedProxy::is_any_address)
        );
    }

    #[test]
    fn proxies_are_read_as_strictly_as_allow_lists() {
        for (text, why) in [
            ("10.0.0.7/24", "host bits"),
            ("localhost", "is a name"),
            ("10.0.0.1,10.0.0.2", "is a name"),
            ("", "no address"),
            ("any", "stands alone"),
        ] {
            let error = text.parse::<TrustedProxy>().expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    proptest! {
        /// A naive model of the same: strip trusted proxies from the end and take the last entry
        /// left.
        #[test]
        fn the_walk_is_that_of_the_naive_model(hops in proptest::collection::vec(0_u8..6, 0..8)) {
            let address = |hop: &u8| match hop {
                0 => "garbage".to_owned(),
                n @ 1..=3 => format!("10.9.0.{n}"),
                n => format!("192.0.2.{n}"),
            };
            let line = hops.iter().map(address).collect::<Vec<_>>().join(", ");
            let lines = if hops.is_empty() { vec![] } else { vec![line.as_str()] };
            let found = client("127.0.0.1", &lines, &["127.0.0.1", "10.9.0.0/16"]);
            let trailing = hops.iter().rev().take_while(|hop| (1..=3).contains(*hop)).count();
            let naive = match hops.len().checked_sub(trailing + 1).map(|at| hops[at]) {
                Some(0) => "unreadable".to_owned(),
                Some(hop) => address(&hop),
                None => hops.first().map_or("unknown".to_owned(), address),
            };
            prop_assert_eq!(found, naive);
        }
    }
}
