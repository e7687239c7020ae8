//! May this one-time password have that? What its section opens, as the same grant that a knock earns.

use std::net::IpAddr;
use std::sync::Arc;

use super::nat::Ways;
use super::{Grant, Place, Surroundings, opening, push_new};
use crate::config::Otp;
use crate::net::{Port, Prefix, is_forbidden};
use crate::reason::Reason;

/// What a visitor asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Where the visit comes from.
    pub visitor: IpAddr,
    /// The address to open for instead.
    pub instead: Option<IpAddr>,
    /// The ports to open, of those that [`Otp::services`] lists; all that the address's family can have where absent.
    pub ports: Option<&'a [Port]>,
}

/// Judges what a visitor asks for. To be asked before the password is spent, too: the answer does not depend on it.
///
/// # Errors
/// The first rule of the section that the wish offends, a reason of [`crate::reason::Stage::Policy`].
pub fn judge_login(otp: &Otp, section: &Arc<str>, wish: Wish<'_>, world: &Surroundings<'_>) -> Result<Grant, Reason> {
    let access = &otp.access;
    let source = address(otp, wish, world)?;
    let ways = Ways { access, source, surroundings: world };
    let (mut openings, mut forwards) = (Vec::new(), Vec::new());
    let services = otp.services();
    for &port in wish.ports.unwrap_or(&services) {
        if !services.contains(&port) {
            return Err(Reason::PortNotAllowed);
        }
        match ways.of_stanza(port) {
            Ok(Some(forward)) => push_new(&mut forwards, forward),
            Ok(None) => push_new(&mut openings, opening(access, source, port, None)?),
            // Of all, whatever the family allows; of a choice, all or nothing.
            Err(Reason::Family) if wish.ports.is_none() => {}
            Err(reason) => return Err(reason),
        }
    }
    if openings.is_empty() && forwards.is_empty() {
        return Err(if wish.ports.is_none() { Reason::Family } else { Reason::PortNotAllowed });
    }
    let timeout = access.timeout.min(world.max_timeout);
    Ok(Grant { access: Arc::clone(section), openings, forwards, command: None, timeout })
}

/// The address to open for: the visitor's, or another one where the section lets it be named.
fn address(otp: &Otp, wish: Wish<'_>, world: &Surroundings<'_>) -> Result<IpAddr, Reason> {
    let visitor = wish.visitor.to_canonical();
    let address = wish.instead.map_or(visitor, |instead| instead.to_canonical());
    let place = if is_forbidden(address) { Place::Unknown } else { (world.place_of)(address) };
    let is_named = address != visitor;
    let is_allowed = match (otp.override_range.as_slice(), is_named) {
        (_, false) => place.is_other_host(),
        (_, true) if !otp.allow_override => false,
        ([], true) => place == Place::Elsewhere && otp.access.source.iter().any(|network| network.contains(address)),
        // All that a grant for it would let in must lie in one of them.
        (ranges, true) => {
            let bits = if address.is_ipv4() { otp.access.prefix_v4 } else { otp.access.prefix_v6 };
            let fits = |range: &Prefix| range.contains(address) && range.length() <= bits;
            place.is_other_host() && ranges.iter().any(fits)
        }
    };
    if is_allowed { Ok(address) } else { Err(Reason::AddressForbidden) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn otp(lines: &str) -> Otp {
        let text = format!(
            "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\nconfig otp 'alice'\n\
             \tlist open 'tcp/22'\n\tlist open 'udp/51820'\n{lines}\n"
        );
        parse(text.as_bytes(), "test").unwrap().config.otp.remove(0)
    }

    fn judged(otp: &Otp, visitor: &str, instead: Option<&str>, ports: Option<&[&str]>) -> Result<Grant, Reason> {
        let ports: Option<Vec<Port>> = ports.map(|ports| ports.iter().map(|port| port.parse().unwrap()).collect());
        let wish = Wish {
            visitor: visitor.parse().unwrap(),
            instead: instead.map(|address| address.parse().unwrap()),
            ports: ports.as_deref(),
        };
        let place_of = |address: IpAddr| match address.to_string().as_str() {
            "192.0.2.1" | "2001:db8::1" => Place::Own,
            "192.0.2.255" => Place::Unknown,
            text if text.starts_with("192.168.") => Place::Inside,
            _ => Place::Elsewhere,
        };
        let world = Surroundings { max_timeout: 3600, forwarded_for: None, place_of: &place_of };
        judge_login(otp, &Arc::from("alice"), wish, &world)
    }

    fn shown(grant: &Grant) -> Vec<String> {
        let doors = grant.openings.iter().map(|opening| format!("{} {}", opening.source, opening.port));
        doors.chain(grant.forwards.iter().map(|forward| format!("{} {forward}", forward.source))).collect()
    }

    #[test]
    fn a_login_earns_all_or_what_was_chosen() {
        let otp = otp("\tlist forward 'tcp/2222=192.168.1.10:22'\n\toption prefix_v6 '128'");
        let all = judged(&otp, "198.51.100.7", None, None).unwrap();
        assert_eq!((all.timeout, &*all.access, &all.command), (300, "alice", &None));
        assert_eq!(
            shown(&all),
            ["198.51.100.7 tcp/22", "198.51.100.7 udp/51820", "198.51.100.7 tcp/2222 to 192.168.1.10:22"]
        );
        let v6 = judged(&otp, "2001:db8::9", None, None).unwrap();
        assert_eq!(shown(&v6), ["2001:db8::9 tcp/22", "2001:db8::9 udp/51820"], "what IPv6 cannot have is left out");
        let mapped = judged(&otp, "::ffff:198.51.100.7", None, Some(&["tcp/22", "tcp/22"])).unwrap();
        assert_eq!(shown(&mapped), ["198.51.100.7 tcp/22"]);
        assert_eq!(judged(&otp, "2001:db8::9", None, Some(&["tcp/22", "tcp/2222"])), Err(Reason::Family));
        assert_eq!(judged(&otp, "198.51.100.7", None, Some(&["tcp/22", "tcp/80"])), Err(Reason::PortNotAllowed));
        assert_eq!(judged(&otp, "198.51.100.7", None, Some(&[])), Err(Reason::PortNotAllowed));
    }

    #[test]
    fn an_address_of_any_forbidden_kind_opens_nothing() {
        let wide = otp("\toption allow_override '1'");
        for text in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "169.254.1.1", "192.0.2.1", "192.0.2.255"]
            .into_iter()
            .chain(["::", "::1", "ff02::1", "fe80::1", "2001:db8::1", "::ffff:127.0.0.1", "::7f00:1"])
        {
            assert_eq!(judged(&wide, text, None, None), Err(Reason::AddressForbidden), "{text}");
            assert_eq!(judged(&wide, "198.51.100.7", Some(text), None), Err(Reason::AddressForbidden), "{text}");
        }
    }

    #[test]
    fn another_address_is_named_where_the_section_says_so() {
        let ask = |lines: &str, instead| judged(&otp(lines), "198.51.100.7", Some(instead), None).map(|_| ());
        let forbidden = Err(Reason::AddressForbidden);
        assert_eq!(ask("", "203.0.113.5"), forbidden);
        assert_eq!(ask("", "198.51.100.7"), Ok(()), "that is no other one");
        assert_eq!(ask("\toption allow_override '1'", "203.0.113.5"), Ok(()));
        assert_eq!(ask("\toption allow_override '1'", "2001:db8::5"), Ok(()));
        assert_eq!(ask("\toption allow_override '1'", "192.168.1.5"), forbidden, "inside, and nobody said so");
        let range = "\toption allow_override '1'\n\tlist override_range '203.0.113.0/24'\n\
            \tlist override_range '192.168.1.0/24'";
        assert_eq!(ask(range, "203.0.113.5"), Ok(()));
        assert_eq!(ask(range, "192.168.1.5"), Ok(()));
        assert_eq!(ask(range, "192.168.2.5"), forbidden);
        let wide = "\toption allow_override '1'\n\toption prefix_v4 '24'\n\tlist override_range ";
        assert_eq!(ask(&format!("{wide}'203.0.113.5'"), "203.0.113.5"), forbidden, "its neighbours would get in, too");
        assert_eq!(ask(&format!("{wide}'203.0.113.0/25'"), "203.0.113.5"), forbidden);
        assert_eq!(ask(&format!("{wide}'203.0.113.0/24'"), "203.0.113.5"), Ok(()));
        assert_eq!(ask(&format!("{wide}'2001:db8::/127'"), "2001:db8::"), Ok(()), "IPv6 has a prefix of its own");
        let near = "\toption allow_override '1'\n\tlist source '198.51.100.0/24'";
        assert_eq!(ask(near, "198.51.100.9"), Ok(()));
        assert_eq!(ask(near, "203.0.113.5"), forbidden, "who may not come may not be named either");
        assert_eq!(ask(&format!("{near}\n\tlist override_range '203.0.113.0/24'"), "203.0.113.5"), Ok(()));
        assert_eq!(judged(&otp(""), "192.168.1.5", None, None).map(|_| ()), Ok(()), "a visitor from the LAN");
    }
}
