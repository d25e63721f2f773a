//! The evidence for the client's address: both lists, and where the address came from.
use std::net::IpAddr;

use super::{super::Fix, Check, Facts, State, check, history_lines};
use crate::domain::{
    allowlist::AllowList,
    conditions::Condition,
    decision::{Reason, Request, Rules},
    forwarded::{ClientAddress, Hop},
    text::visible,
    usage::RequestedTarget,
};

/// Checks the address against both lists.
pub(super) fn address(rules: &Rules, request: &Request, facts: &Facts<'_>) -> Check {
    let (allow, deny) = (&rules.conditions.allow, &rules.conditions.deny);
    let mut evidence = allowed(allow, request.address, facts);
    let mut fix = match request.address {
        ClientAddress::Known(address) if !allow.is_full() => Some(Fix::Address(address)),
        _ => None,
    };
    if !deny.is_empty() {
        let words = match request.address {
            ClientAddress::Unreadable => None,
            ClientAddress::Unknown => Some("it could be on the deny-list".to_owned()),
            ClientAddress::Known(address) => match deny.entry_for(address) {
                Some(entry) => {
                    let can_be_taken_out = deny.without(address).is_some();
                    fix = can_be_taken_out.then_some(Fix::Undeny(address));
                    let denied = inside(address, &entry, "deny-list");
                    // That the allow-list has it, too, does not matter.
                    if allow.contains(Some(address)) {
                        evidence = denied;
                        None
                    } else {
                        Some(denied)
                    }
                }
                None => Some("it is not on the deny-list".to_owned()),
            },
        };
        evidence.extend(words.map(|words| format!("; {words}")));
    }
    let list = facts.history.of(Condition::Allow);
    let mut history = history_lines(list, "list", "changed");
    if !deny.is_empty() {
        let list = facts.history.of(Condition::Deny);
        history.extend(history_lines(list, "deny-list", "changed"));
    }
    if facts.hop != Hop::Nowhere {
        history.push(format!("address from {}", facts.hop));
    }
    Check {
        history,
        fix,
        ..check(Reason::AddressNotAllowed, State::Holds, evidence)
    }
}

fn allowed(allow: &AllowList, address: ClientAddress, facts: &Facts<'_>) -> String {
    let entries = |count: usize| {
        if count == 1 {
            "the 1 entry".to_owned()
        } else {
            format!("the {count} entries")
        }
    };
    match (allow, address) {
        (_, ClientAddress::Unreadable) => {
            let said = facts
                .unreadable
                .map_or_else(String::new, |said| format!(", '{}',", visible(said)));
            format!(
                "an element of X-Forwarded-For on the way{said} is no address: a gateway that is trusted passes on what it cannot know"
            )
        }
        (AllowList::Anywhere, ClientAddress::Known(address)) => {
            format!("{address}, and any address may use it")
        }
        (AllowList::Anywhere, ClientAddress::Unknown) => "any address may use it".to_owned(),
        (AllowList::Only(networks), ClientAddress::Unknown) => format!(
            "no address is known, and {} would have to hold it{}",
            entries(networks.as_slice().len()),
            match facts.wanted.requested {
                RequestedTarget::Named(..) => "",
                _ => ": let the gateway say it in X-Forwarded-For",
            }
        ),
        (allow @ AllowList::Only(_), ClientAddress::Known(address)) => {
            let outside = || outside(allow, address);
            let entry = allow.entry_for(address);
            entry.map_or_else(outside, |entry| inside(address, &entry, "list"))
        }
    }
}

fn inside(address: IpAddr, entry: &str, list: &str) -> String {
    if address.to_string() == entry {
        format!("{address} is on the {list}")
    } else if list == "list" {
        format!("{address} is in {entry}")
    } else {
        format!("{address} is in {entry} on the {list}")
    }
}

fn outside(allow: &AllowList, address: IpAddr) -> String {
    let entries = allow.entries();
    let full = if allow.is_full() {
        "; the list is full, so write a larger network for some of them"
    } else {
        ""
    };
    match entries.as_slice() {
        [one] => format!("{address} is not on the list, which has {one} alone"),
        several => {
            let nearest = allow.nearest(address);
            let nearest = nearest.map_or_else(String::new, |near| format!("; nearest is {near}"));
            format!(
                "{address} is on none of {} entries{nearest}{full}",
                several.len()
            )
        }
    }
}
