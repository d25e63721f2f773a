//! The texts in which a client's address is written.
use std::net::IpAddr;

use crate::domain::text::visible;

/// Parses the address of a client as an application or a person names it: an address and nothing
/// else.
///
/// # Errors
/// Returns a sentence that names the text, and the way out if it has a port.
pub fn parse_client_address(text: &str) -> Result<IpAddr, String> {
    let shown = visible(text);
    let address = text.trim().parse();
    match (address, read(text.as_bytes())) {
        (Ok(address), _) => Ok(address),
        (Err(_), Some(address)) => Err(format!(
            "{shown} is an address with a port: write the address alone, {address}"
        )),
        (Err(_), None) => Err(format!(
            "{shown} is no IP address: write one such as 10.0.0.9 or 2001:db8::9"
        )),
    }
}

/// Reads an element of `X-Forwarded-For`: an address, or an address with a port, as load balancers
/// write it (Azure Application Gateway and AWS do). An IPv6 address with a port is in brackets; it
/// may be in brackets without one.
pub(super) fn read(element: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(element).ok()?;
    let text = text.trim_matches([' ', '\t']);
    let address = if let Ok(address) = text.parse() {
        address
    } else if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        IpAddr::V6(address.parse().ok().filter(|_| is_port)?)
    } else {
        let (address, port) = text.split_once(':')?;
        IpAddr::V4(address.parse().ok().filter(|_| is_port(port))?)
    };
    Some(address.to_canonical())
}

/// Returns `true` for 1 to 65535, in digits and without leading zeros.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with('0')
        && text.parse::<u16>().is_ok()
}
