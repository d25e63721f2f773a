//! Strict parser for one entry of an allow-list; its errors say what to write instead.
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{AllowListError, canonical};
use crate::domain::text::{is_number, visible};

pub(super) fn parse(entry: &str) -> Result<IpNet, AllowListError> {
    let (address_text, prefix_text) = match entry.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (entry, None),
    };
    let Ok(address) = address_text.parse::<IpAddr>() else {
        return Err(refusal(entry, address_text));
    };
    let widest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix_text {
        None => widest,
        Some(text) => parse_prefix(entry, address, text, widest)?,
    };
    let network = match address {
        IpAddr::V4(v4) => Ipv4Net::new(v4, prefix).map(IpNet::V4),
        IpAddr::V6(v6) => Ipv6Net::new(v6, prefix).map(IpNet::V6),
    }
    .map_err(|_| AllowListError(format!("{entry} has a prefix over {widest}")))?;
    let Some(canonical) = canonical(network) else {
        return Err(AllowListError(format!(
            "{entry} is IPv4 written as IPv6 with a prefix below 96: write the IPv4 network itself"
        )));
    };
    if canonical.trunc() != canonical {
        return Err(AllowListError(format!(
            "{entry} has host bits set: write {} for the network, or {} for the one address",
            canonical.trunc(),
            canonical.addr()
        )));
    }
    Ok(canonical)
}

fn parse_prefix(
    entry: &str,
    address: IpAddr,
    text: &str,
    widest: u8,
) -> Result<u8, AllowListError> {
    let entry = visible(entry);
    if let Ok(mask) = text.parse::<std::net::Ipv4Addr>() {
        let bits = u32::from(mask);
        let hint = match bits.leading_ones() + bits.trailing_zeros() {
            32 => format!("write {address}/{}", bits.leading_ones()),
            _ => "write a prefix length, such as /24".to_owned(),
        };
        return Err(AllowListError(format!("{entry} has a netmask: {hint}")));
    }
    if text.len() > 1 && text.starts_with('0') && is_number(text) {
        let plain = text.trim_start_matches('0');
        let plain = if plain.is_empty() { "0" } else { plain };
        return Err(AllowListError(format!(
            "{entry} has a prefix with a leading zero: write /{plain}"
        )));
    }
    if !is_number(text) {
        return Err(AllowListError(format!(
            "{entry} has no prefix length that can be read: write a number from 0 to {widest} after the /"
        )));
    }
    match text.parse::<u8>() {
        Ok(prefix) if prefix <= widest => Ok(prefix),
        _ => Err(AllowListError(format!(
            "{entry} has a prefix over {widest}: write a number from 0 to {widest} after the /"
        ))),
    }
}

/// Returns the error for a text that is not an address, with a guess at what was meant.
fn refusal(entry: &str, address: &str) -> AllowListError {
    let shown = visible(entry);
    let sentence = if address.is_empty() {
        format!("{shown} has no address before the /: write an address such as 10.0.0.0/24")
    } else if address.eq_ignore_ascii_case("any") {
        format!("{shown} stands alone: write only any, or only addresses and networks")
    } else if address.contains('%') {
        let plain = address.split('%').next().unwrap_or_default();
        format!(
            "{shown} has a zone id, which has a meaning on one machine only: write {}",
            visible(plain)
        )
    } else if address.contains(char::is_whitespace) {
        format!("{shown} holds a space: put a comma between two addresses")
    } else if let Some(plain) = without_port(address) {
        format!("{shown} has a port, and addresses are compared without one: write {plain}")
    } else if address.starts_with('[') {
        format!("{shown} is in brackets: write the address without them")
    } else if is_range(address) {
        format!("{shown} is a range: write networks such as 10.0.0.0/24, or each address")
    } else if address.contains(':') {
        format!("{shown} is no IPv6 address: check its groups, as in 2001:db8::1")
    } else if let Some(plain) = without_leading_zeros(address) {
        format!(
            "{shown} has a number with a leading zero, which some programs read as octal: write {plain}"
        )
    } else if address
        .split('.')
        .any(|part| part.starts_with("0x") || part.starts_with("0X"))
    {
        format!("{shown} is written in hexadecimal: write four decimal numbers, as in 10.0.0.1")
    } else if address.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        format!("{shown} is no IPv4 address: write four numbers from 0 to 255, as in 10.0.0.1")
    } else {
        format!("{shown} is a name, not an address: look it up and write its address")
    };
    AllowListError(sentence)
}

fn without_port(address: &str) -> Option<IpAddr> {
    address
        .parse::<std::net::SocketAddr>()
        .ok()
        .map(|socket| socket.ip())
}

fn is_range(address: &str) -> bool {
    let numeric = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_hexdigit() || b".:*".contains(&b))
    };
    address.contains('*')
        || address
            .split_once(['-', '–'])
            .is_some_and(|(low, high)| numeric(low) && numeric(high) && low.contains(['.', ':']))
}

fn without_leading_zeros(address: &str) -> Option<std::net::Ipv4Addr> {
    let parts: Vec<&str> = address.split('.').collect();
    let zero_led = parts.iter().any(|p| p.len() > 1 && p.starts_with('0'));
    let decimal = parts.iter().all(|part| is_number(part));
    if parts.len() != 4 || !zero_led || !decimal {
        return None;
    }
    let octets: Vec<u8> = parts.iter().filter_map(|p| p.parse().ok()).collect();
    <[u8; 4]>::try_from(octets).ok().map(Into::into)
}
