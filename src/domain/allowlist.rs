//! Allow-lists: the addresses and networks from which a key may be used.
//!
//! The parser is strict on purpose. `ipnet` alone would accept `010.0.0.1/32` and host bits, so
//! addresses are parsed by `std` and the network is built from them. An error says what to write
//! instead. IPv4-mapped IPv6 counts as IPv4, in entries and in client addresses; `::/0` admits no
//! IPv4. "From any address" is a value of its own, never an empty list.
mod deny;
mod entry;

use std::{fmt, net::IpAddr};

pub use deny::DenyList;
use ipnet::{IpNet, Ipv4Net};

/// The maximum number of entries in an allow-list.
pub const MAX_ENTRIES: usize = 100;

/// The addresses from which a key may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowList {
    /// Any address: an explicit choice, shown as `Any IP`.
    Anywhere,
    /// Only these addresses and networks.
    Only(Networks),
}

/// One to [`MAX_ENTRIES`] networks in canonical form. [`AllowList::parse`] also drops networks that
/// are covered by others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// The result of [`AllowList::parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The list.
    pub list: AllowList,
    /// The entries that were dropped because another entry covers them; each displays as a
    /// sentence.
    pub merged: Vec<CoveredEntry>,
}

/// An entry that was dropped because another entry equals or covers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoveredEntry {
    dropped: String,
    kept: String,
}

impl fmt::Display for CoveredEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dropped, kept } = self;
        if dropped == kept {
            write!(f, "{dropped} is there twice: kept once")
        } else {
            write!(f, "{dropped} is covered by {kept}: merged into it")
        }
    }
}

/// The difference between two allow-lists, with entries as people write them. Empty if either list
/// is [`AllowList::Anywhere`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddressChange {
    /// The entries that admit addresses that were not admitted before.
    pub added: Vec<String>,
    /// The entries whose addresses are no longer all admitted.
    pub dropped: Vec<String>,
    /// The parts of `dropped` that are still admitted.
    pub kept: Vec<String>,
}

/// The reason why an allow-list was refused: the first invalid entry and what to write instead, or
/// a fault of the list as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AllowListError(String);

/// Parses one address or network, as strictly as an entry of an allow-list.
///
/// # Errors
/// Returns [`AllowListError`] with the reason and what to write instead if the text is not an
/// address or network.
pub fn parse_network(text: &str) -> Result<IpNet, AllowListError> {
    entry::parse(text)
}

impl AllowList {
    /// Parses a list as people type or paste it: entries separated by commas, semicolons or line
    /// breaks. An empty text, or `any`, is [`AllowList::Anywhere`].
    ///
    /// # Errors
    /// Returns [`AllowListError`] for the first entry that is not an address or network, with the
    /// reason and what to write instead, or if more than [`MAX_ENTRIES`] networks are left after
    /// merging.
    pub fn parse(text: &str) -> Result<Parsed, AllowListError> {
        let entries = entries_of(text);
        let anywhere =
            entries.is_empty() || (entries.len() == 1 && entries[0].eq_ignore_ascii_case("any"));
        if anywhere {
            return Ok(Parsed {
                list: Self::Anywhere,
                merged: Vec::new(),
            });
        }
        let (networks, merged) = Networks::parse(&entries)?;
        let list = Self::Only(networks);
        Ok(Parsed { list, merged })
    }

    /// Returns `true` if the list admits the address. An unknown address (`None`) is admitted only
    /// by [`AllowList::Anywhere`].
    #[must_use]
    pub fn contains(&self, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::Anywhere, _) => true,
            (Self::Only(_), None) => false,
            (Self::Only(networks), Some(address)) => networks.contains(address),
        }
    }

    /// Returns the entry that admits the address, as people write it.
    #[must_use]
    pub fn entry_for(&self, address: IpAddr) -> Option<String> {
        let Self::Only(networks) = self else {
            return None;
        };
        networks.entry_for(address)
    }

    /// Returns the entry that shares the most leading bits with the address, among those of its
    /// family.
    #[must_use]
    pub fn nearest(&self, address: IpAddr) -> Option<String> {
        let Self::Only(networks) = self else {
            return None;
        };
        let shared = |network: &IpNet| match (network.addr(), address.to_canonical()) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                Some((one.to_bits() ^ other.to_bits()).leading_zeros())
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => {
                Some((one.to_bits() ^ other.to_bits()).leading_zeros())
            }
            _ => None,
        };
        // `max_by_key` returns the last maximum, so the order is reversed to get the first.
        let near = networks
            .0
            .iter()
            .rev()
            .filter_map(|network| Some((shared(network)?, network)));
        let nearest = near.max_by_key(|(shared, _)| *shared);
        nearest.map(|(_, network)| written(network))
    }

    /// Returns `true` if the list has [`MAX_ENTRIES`] entries.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Only(networks) if networks.0.len() >= MAX_ENTRIES)
    }

    /// Returns the text of the list with the address, and nothing wider than it, added as an entry.
    #[must_use]
    pub fn with(&self, address: IpAddr) -> String {
        let mut entries = self.entries();
        entries.push(address.to_canonical().to_string());
        entries.join(", ")
    }

    /// Returns `true` if this list admits addresses that `before` did not admit.
    #[must_use]
    pub fn widens(&self, before: &Self) -> bool {
        match (before, self) {
            (Self::Anywhere, _) => false,
            (Self::Only(_), Self::Anywhere) => true,
            (Self::Only(old), Self::Only(new)) => !new.outside(&old.0).is_empty(),
        }
    }

    /// Compares this list with an earlier one: what is newly admitted, and what is no longer
    /// admitted.
    #[must_use]
    pub fn difference(&self, before: &Self) -> AddressChange {
        let (Self::Only(new), Self::Only(old)) = (self, before) else {
            return AddressChange::default();
        };
        let dropped = old.outside(&new.0);
        let within = |network: &&IpNet| dropped.iter().any(|wide| wide.contains(*network));
        AddressChange {
            added: new.outside(&old.0).iter().map(written).collect(),
            kept: new.0.iter().filter(within).map(written).collect(),
            dropped: dropped.iter().map(written).collect(),
        }
    }

    /// Returns the entries as people write them; empty for [`AllowList::Anywhere`].
    #[must_use]
    pub fn entries(&self) -> Vec<String> {
        match self {
            Self::Anywhere => Vec::new(),
            Self::Only(networks) => networks.entries(),
        }
    }

    /// Returns the entries as people write them, those with the most host bits first.
    #[must_use]
    pub fn widest_first(&self) -> Vec<String> {
        let Self::Only(networks) = self else {
            return Vec::new();
        };
        let mut networks = networks.0.clone();
        networks.sort_by_key(|it| std::cmp::Reverse(it.max_prefix_len() - it.prefix_len()));
        networks.iter().map(written).collect()
    }
}

impl fmt::Display for AllowList {
    /// Writes `Any IP`, or the entries joined by `, `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anywhere => f.write_str("Any IP"),
            Self::Only(_) => f.write_str(&self.entries().join(", ")),
        }
    }
}

impl Networks {
    /// Parses entries; returns the networks, and those that were dropped because another one covers
    /// them.
    fn parse(entries: &[&str]) -> Result<(Self, Vec<CoveredEntry>), AllowListError> {
        let networks: Result<Vec<IpNet>, _> =
            entries.iter().map(|entry| entry::parse(entry)).collect();
        let (networks, merged) = merge(&networks?);
        Ok((Self::new(networks)?, merged))
    }

    /// Creates the list from networks that are already canonical, as the store keeps them.
    ///
    /// # Errors
    /// Returns [`AllowListError`] if there are no networks or more than [`MAX_ENTRIES`], or if one
    /// has host bits set or is IPv4-mapped IPv6.
    pub fn new(networks: Vec<IpNet>) -> Result<Self, AllowListError> {
        if networks.is_empty() {
            return Err(AllowListError(
                "an allow-list needs an entry: add one, or choose any".into(),
            ));
        }
        if networks.len() > MAX_ENTRIES {
            return Err(AllowListError(format!(
                "{} entries are too many, at most {MAX_ENTRIES} are allowed: use larger networks",
                networks.len()
            )));
        }
        match networks
            .iter()
            .find(|n| n.trunc() != **n || canonical(**n) != Some(**n))
        {
            Some(bad) => Err(AllowListError(format!(
                "{bad} is not in its canonical form"
            ))),
            None => Ok(Self(networks)),
        }
    }

    /// Returns the networks.
    #[must_use]
    pub fn as_slice(&self) -> &[IpNet] {
        &self.0
    }

    /// Returns `true` if one of the networks contains the address.
    fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Returns the network that contains the address, as people write it.
    fn entry_for(&self, address: IpAddr) -> Option<String> {
        let address = address.to_canonical();
        let found = self.0.iter().find(|network| network.contains(&address));
        found.map(written)
    }

    /// Returns the networks as people write them.
    fn entries(&self) -> Vec<String> {
        self.0.iter().map(written).collect()
    }

    /// Returns the networks that these others, taken together, do not cover completely.
    fn outside(&self, others: &[IpNet]) -> Vec<IpNet> {
        let others = IpNet::aggregate(&others.to_vec());
        let covered = |network: &&IpNet| !others.iter().any(|wide| wide.contains(*network));
        self.0.iter().filter(covered).copied().collect()
    }
}

/// Splits a list as people type it into its entries.
fn entries_of(text: &str) -> Vec<&str> {
    text.split([',', ';', '\n', '\r'])
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .collect()
}

/// Returns a network as people write it: a single address has no prefix length.
#[must_use]
pub fn written(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

/// Converts IPv4-mapped IPv6 to IPv4. Returns `None` for a mapped network wider than all of IPv4.
fn canonical(network: IpNet) -> Option<IpNet> {
    let IpNet::V6(v6) = network else {
        return Some(network);
    };
    let Some(v4) = v6.addr().to_ipv4_mapped() else {
        return Some(network);
    };
    let prefix = v6.prefix_len().checked_sub(96)?;
    Ipv4Net::new(v4, prefix).ok().map(IpNet::V4)
}

/// Drops networks that another one equals or covers, and keeps the order of the others.
fn merge(networks: &[IpNet]) -> (Vec<IpNet>, Vec<CoveredEntry>) {
    let mut kept: Vec<IpNet> = Vec::with_capacity(networks.len());
    let mut merged = Vec::new();
    for (at, network) in networks.iter().enumerate() {
        let twin = kept.iter().find(|k| *k == network);
        let cover = networks
            .iter()
            .enumerate()
            .find(|(other, wide)| *other != at && *wide != network && wide.contains(network));
        match twin.or(cover.map(|(_, wide)| wide)) {
            Some(wide) => merged.push(CoveredEntry {
                dropped: written(network),
                kept: written(wide),
            }),
            None => kept.push(*network),
        }
    }
    (kept, merged)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> AllowList {
        AllowList::parse(text).expect(text).list
    }

    fn contains(list: &str, address: &str) -> bool {
        parse(list).contains(Some(address.parse().expect(address)))
    }

    #[test]
    fn commas_lines_and_semicolons_separate() {
        let list = parse("10.0.0.0/8,\r\n192.168.1.0/24\n2001:db8::/32; 1.2.3.4,");
        assert_eq!(
            list.entries(),
            ["10.0.0.0/8", "192.168.1.0/24", "2001:db8::/32", "1.2.3.4"]
        );
        assert_eq!(parse(""), AllowList::Anywhere);
        assert_eq!(parse("Any"), AllowList::Anywhere);
    }

    #[test]
    fn refused_entries_say_what_to_write() {
        for (entry, why) in [
            (
                "10.0.0.7/24",
                "write 10.0.0.0/24 for the network, or 10.0.0.7 for the one address",
            ),
            (
                "2001:db8::1/32",
                "write 2001:db8::/32 for the network, or 2001:db8::1",
            ),
            ("fe80::1%eth0", "zone id"),
            (
                "1.2.3.4:80",
                "has a port, and addresses are compared without one: write 1.2.3.4",
            ),
            ("[2001:db8::1]:443", "write 2001:db8::1"),
            ("[2001:db8::1]", "brackets"),
            ("gw.example.com", "is a name"),
            ("localhost", "is a name"),
            ("10.0.0.1-10.0.0.9", "is a range"),
            ("10.0.0.*", "is a range"),
            ("010.0.0.1", "octal: write 10.0.0.1"),
            ("10.0.0.1/08", "leading zero: write /8"),
            ("10.0.0.1/+8", "prefix length"),
            ("10.0.0.0/33", "over 32"),
            ("2001:db8::/129", "over 128"),
            ("10.0.0.0/999", "over 32"),
            ("10.0.0.0/255.255.255.0", "write 10.0.0.0/24"),
            ("10.0.0/24", "is no IPv4 address"),
            ("10.0.0.256", "is no IPv4 address"),
            ("0x7f.1", "hexadecimal"),
            ("2001:db8:::1", "is no IPv6 address"),
            ("10.0.0.1 10.0.0.2", "put a comma"),
            ("/24", "no address"),
            ("::ffff:0:0/90", "below 96"),
            ("10.0.0.1, any", "stands alone"),
            ("10.0.0.\u{202e}1", "<U+202E>"),
        ] {
            let error = AllowList::parse(entry).expect_err(entry).to_string();
            assert!(error.contains(why), "{entry}: {error}");
        }
    }

    #[test]
    fn duplicates_and_covered_entries_are_named_and_merged() {
        let parsed = AllowList::parse("10.0.0.7, 10.0.0.0/24, 10.0.0.0/24, ::ffff:10.0.0.9")
            .expect("a list");
        assert_eq!(parsed.list.entries(), ["10.0.0.0/24"]);
        let notes: Vec<String> = parsed.merged.iter().map(ToString::to_string).collect();
        assert_eq!(
            notes,
            [
                "10.0.0.7 is covered by 10.0.0.0/24: merged into it",
                "10.0.0.0/24 is there twice: kept once",
                "10.0.0.9 is covered by 10.0.0.0/24: merged into it",
            ]
        );
    }

    #[test]
    fn at_most_a_hundred() {
        let list = |n: usize| {
            (0..n)
                .map(|i| format!("10.0.{i}.1"))
                .collect::<Vec<_>>()
                .join(",")
        };
        assert_eq!(parse(&list(100)).entries().len(), 100);
        let error = AllowList::parse(&list(101))
            .expect_err("too many")
            .to_string();
        assert!(
            error.contains("101 entries are too many, at most 100"),
            "{error}"
        );
    }

    #[test]
    fn mapped_addresses_are_ipv4_on_both_sides() {
        assert!(contains("10.0.0.0/8", "::ffff:10.0.0.1"));
        assert!(contains("::ffff:10.0.0.0/104", "10.1.2.3"));
        assert!(!contains("::/0", "10.0.0.1"));
        assert!(!contains("::/0", "::ffff:10.0.0.1"));
        assert!(contains("::/0", "2001:db8::1"));
        assert!(!parse("10.0.0.1").contains(None));
        assert!(AllowList::Anywhere.contains(None));
    }

    #[test]
    fn widening_is_seen_through_splits_and_merges() {
        for (before, after, widens) in [
            ("10.0.0.0/24", "", true),
            ("", "10.0.0.0/24", false),
            ("10.0.0.0/24", "10.0.0.7", false),
            ("10.0.0.0/25, 10.0.0.128/25", "10.0.0.0/24", false),
            ("10.0.0.0/24", "10.0.0.0/23", true),
            ("10.0.0.0/24", "10.0.0.0/24, 10.0.1.1", true),
        ] {
            assert_eq!(
                parse(after).widens(&parse(before)),
                widens,
                "{before} -> {after}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(address: std::net::IpAddr, prefix in 0u8..=128) {
            let widest = if address.is_ipv4() { 32 } else { 128 };
            let network = IpNet::new(address, prefix.min(widest)).expect("in range").trunc();
            if let Ok(parsed) = AllowList::parse(&written(&network)) {
                let again = parse(&parsed.list.entries().join(","));
                prop_assert_eq!(&again, &parsed.list);
                prop_assert!(parsed.list.contains(Some(network.addr())));
            }
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,60}") {
            let _ = AllowList::parse(&text);
        }
    }
}
