//! Deny-lists: the addresses and networks from which a key may not be used, even if its allow-list
//! admits them.
//!
//! The entries are parsed as strictly as those of an allow-list. An unknown address is denied by
//! every list that has an entry: it could be one of those.
use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    AddressChange, AllowList, AllowListError, CoveredEntry, MAX_ENTRIES, Networks, entries_of,
    written,
};

/// The networks from which a key may not be used; none, unless somebody set some.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DenyList(Option<Networks>);

impl DenyList {
    /// Parses a list as people type or paste it: entries separated by commas, semicolons or line
    /// breaks. An empty text, or `none`, is the empty list. Returns it with the entries that were
    /// dropped because another entry covers them.
    ///
    /// # Errors
    /// Returns [`AllowListError`] for the first entry that is not an address or network, with the
    /// reason and what to write instead, or if more than [`MAX_ENTRIES`] networks are left after
    /// merging.
    pub fn parse(text: &str) -> Result<(Self, Vec<CoveredEntry>), AllowListError> {
        let entries = entries_of(text);
        match entries.as_slice() {
            [] => Ok((Self::default(), Vec::new())),
            [one] if one.eq_ignore_ascii_case("none") => Ok((Self::default(), Vec::new())),
            [one] if one.eq_ignore_ascii_case("any") => Err(AllowListError(
                "a deny-list of any address would refuse every request: disable the key instead, or write none to deny no address"
                    .to_owned(),
            )),
            entries => {
                let (networks, merged) = Networks::parse(entries)?;
                Ok((Self(Some(networks)), merged))
            }
        }
    }

    /// Creates the list from networks that are already canonical, as the store keeps them.
    ///
    /// # Errors
    /// Returns the errors of [`Networks::new`], except that there may be no networks.
    pub fn new(networks: Vec<IpNet>) -> Result<Self, AllowListError> {
        if networks.is_empty() {
            return Ok(Self::default());
        }
        Networks::new(networks).map(|networks| Self(Some(networks)))
    }

    /// Returns `true` if no address is denied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns `true` if a request from this address is denied. An unknown address (`None`) is
    /// denied unless the list is empty.
    #[must_use]
    pub fn denies(&self, address: Option<IpAddr>) -> bool {
        match (&self.0, address) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(networks), Some(address)) => networks.contains(address),
        }
    }

    /// Returns the entry that denies the address, as people write it.
    #[must_use]
    pub fn entry_for(&self, address: IpAddr) -> Option<String> {
        self.0.as_ref()?.entry_for(address)
    }

    /// Returns the networks.
    #[must_use]
    pub fn as_slice(&self) -> &[IpNet] {
        self.0.as_ref().map_or(&[], Networks::as_slice)
    }

    /// Returns the entries as people write them.
    #[must_use]
    pub fn entries(&self) -> Vec<String> {
        self.as_slice().iter().map(written).collect()
    }

    /// Compares this list with an earlier one: `added` is newly denied, `dropped` is no longer
    /// denied.
    #[must_use]
    pub fn difference(&self, before: &Self) -> AddressChange {
        let [new, old] = [self, before].map(|list| list.0.clone().map(AllowList::Only));
        match (new, old) {
            (Some(new), Some(old)) => new.difference(&old),
            (new, old) => AddressChange {
                added: new.map_or_else(Vec::new, |new| new.entries()),
                dropped: old.map_or_else(Vec::new, |old| old.entries()),
                kept: Vec::new(),
            },
        }
    }

    /// Returns `true` if the list denies every address that the allow-list admits, so that no
    /// request could ever pass.
    #[must_use]
    pub fn denies_all_of(&self, allow: &AllowList) -> bool {
        let Some(denied) = &self.0 else {
            return false;
        };
        let everything = ["0.0.0.0/0", "::/0"].map(str::parse::<IpNet>);
        let admitted = match allow {
            AllowList::Only(networks) => networks.clone(),
            AllowList::Anywhere => Networks(everything.into_iter().flatten().collect()),
        };
        admitted.outside(denied.as_slice()).is_empty()
    }

    /// Returns the text of the list without this one address: a network that contains it is
    /// replaced by the networks of its other addresses. Returns `None` if that would be more than
    /// [`MAX_ENTRIES`] entries.
    #[must_use]
    pub fn without(&self, address: IpAddr) -> Option<String> {
        let address = address.to_canonical();
        let mut left: Vec<IpNet> = Vec::new();
        for network in self.as_slice() {
            if !network.contains(&address) {
                left.push(*network);
                continue;
            }
            let lengths = network.prefix_len() + 1..=network.max_prefix_len();
            // Of each pair of halves, the half that does not contain the address stays denied.
            for length in lengths.rev() {
                let around = IpNet::new(address, length - 1).ok()?.trunc();
                let mut halves = around.subnets(length).ok()?;
                left.extend(halves.find(|half| !half.contains(&address)));
            }
        }
        (left.len() <= MAX_ENTRIES).then(|| {
            let entries: Vec<String> = left.iter().map(written).collect();
            entries.join(", ")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> DenyList {
        DenyList::parse(text).expect(text).0
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn none_denies_nothing_and_an_unknown_address_is_denied_by_every_other_list() {
        for empty in ["", " ", "none", "NONE", ","] {
            assert!(list(empty).is_empty(), "{empty:?}");
            assert!(!list(empty).denies(None));
            assert!(!list(empty).denies(Some(address("10.0.0.1"))));
        }
        assert!(list("10.0.0.0/8").denies(None));
        assert!(list("10.0.0.0/8").denies(Some(address("::ffff:10.1.2.3"))));
        assert!(!list("10.0.0.0/8").denies(Some(address("11.0.0.1"))));
        assert!(!list("::/0").denies(Some(address("10.0.0.1"))));
    }

    #[test]
    fn bad_entries_are_refused_as_in_an_allow_list() {
        for (entry, why) in [
            ("10.0.0.7/24", "write 10.0.0.0/24 for the network"),
            ("any", "disable the key"),
            ("10.0.0.1, none", "none"),
            ("localhost", "is a name"),
        ] {
            let error = DenyList::parse(entry).expect_err(entry).to_string();
            assert!(error.contains(why), "{entry}: {error}");
        }
        let many: Vec<String> = (0..101).map(|at| format!("10.0.{at}.1")).collect();
        assert!(DenyList::parse(&many.join(",")).is_err());
    }

    #[test]
    fn one_address_is_taken_out_of_the_list_and_no_other() {
        assert_eq!(
            list("10.0.0.7").without(address("10.0.0.7")),
            Some(String::new())
        );
        let left = list("10.0.0.0/30, 1.1.1.1")
            .without(address("10.0.0.2"))
            .expect("fits");
        assert_eq!(left, "10.0.0.3, 10.0.0.0/31, 1.1.1.1");
        let left = list("10.0.0.0/24")
            .without(address("10.0.0.200"))
            .expect("fits");
        let left = list(&left);
        for last in 0..=255_u8 {
            let address = address(&format!("10.0.0.{last}"));
            assert_eq!(left.denies(Some(address)), last != 200, "{address}");
        }
        assert_eq!(
            list("::/0").without(address("2001:db8::1")),
            None,
            "128 entries"
        );
    }

    #[test]
    fn a_list_that_denies_all_that_is_admitted_is_recognised() {
        let allow = |text: &str| AllowList::parse(text).expect(text).list;
        for (deny, admitted, all) in [
            ("10.0.0.0/8", "10.0.0.0/24, 10.1.1.1", true),
            ("10.0.0.0/25, 10.0.0.128/25", "10.0.0.0/24", true),
            ("10.0.0.0/25", "10.0.0.0/24", false),
            ("0.0.0.0/0", "", false),
            ("0.0.0.0/0, ::/0", "", true),
            ("none", "10.0.0.1", false),
        ] {
            assert_eq!(
                list(deny).denies_all_of(&allow(admitted)),
                all,
                "{deny} {admitted}"
            );
        }
    }
}
