//! A grant as set elements: its openings, and what each of its ways through needs.

use std::net::{SocketAddr, SocketAddrV4};
use std::num::NonZeroU16;

use super::element::{Element, Translation};
use super::error::FirewallError;
use super::sets::Set;
use crate::access::{Forward, Grant, Snat};
use crate::net::Port;

/// The elements that make a grant true, each once.
///
/// # Errors
/// [`FirewallError::Opening`] where no set can say it, or where it leads one port to two places.
pub fn elements(grant: &Grant) -> Result<Vec<Element>, FirewallError> {
    let mut elements = Vec::with_capacity(grant.openings.len() + 3 * grant.forwards.len());
    for opening in &grant.openings {
        elements.push(Element::of(opening)?);
    }
    for forward in &grant.forwards {
        push_forward(forward, &mut elements)?;
    }
    // Elements of one key become neighbours.
    elements.sort_unstable();
    elements.dedup();
    if elements.windows(2).any(|pair| matches!(pair, [one, other] if one.bare() == other.bare())) {
        return Err(FirewallError::Opening("one connection cannot be translated in two ways"));
    }
    Ok(elements)
}

fn push_forward(forward: &Forward, elements: &mut Vec<Element>) -> Result<(), FirewallError> {
    let (source, to) = (forward.source, forward.to);
    if source.is_ipv6() != to.is_ipv6() {
        return Err(FirewallError::Opening("source and destination are of two families"));
    }
    let number = NonZeroU16::new(to.port()).ok_or(FirewallError::Opening("port 0 cannot be reached"))?;
    let service = Element {
        set: if to.is_ipv6() { Set::To6 } else { Set::To4 },
        port: Some(Port { proto: forward.proto, number }),
        destination: Some(to.ip()),
        first: source,
        last: source,
        source_port: None,
        translation: None,
    };
    elements.push(if forward.all {
        Element { set: if to.is_ipv6() { Set::All6 } else { Set::All4 }, port: None, ..service }
    } else {
        service
    });
    match to {
        SocketAddr::V4(to) => push_translations(forward, to, service, elements),
        SocketAddr::V6(_) if forward.outside.is_some() || forward.snat.is_some() => {
            return Err(FirewallError::Opening("IPv6 is not translated"));
        }
        SocketAddr::V6(_) => {}
    }
    Ok(())
}

fn push_translations(forward: &Forward, to: SocketAddrV4, service: Element, elements: &mut Vec<Element>) {
    elements.extend(forward.outside.map(|number| Element {
        set: Set::Dnat4,
        port: Some(Port { proto: forward.proto, number }),
        destination: None,
        translation: Some(Translation::Destination(to)),
        ..service
    }));
    // After routing, the source is still the client's and the destination is already the inside host's.
    elements.extend(forward.snat.map(|snat| match snat {
        Snat::Masquerade => Element { set: Set::Masq4, ..service },
        Snat::Address(address) => {
            Element { set: Set::Snat4, translation: Some(Translation::Source(address)), ..service }
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Opening;
    use crate::net::Proto;

    fn forward(source: &str, to: &str) -> Forward {
        Forward {
            source: source.parse().unwrap(),
            proto: Proto::Tcp,
            outside: None,
            to: to.parse().unwrap(),
            all: false,
            snat: None,
        }
    }

    fn said(forwards: Vec<Forward>) -> Result<Vec<String>, FirewallError> {
        let grant = Grant { access: "alice".into(), openings: Vec::new(), forwards, command: None, timeout: 30 };
        let said = elements(&grant)?;
        Ok(said.iter().map(|element| format!("{} {element}", element.set.name())).collect())
    }

    #[test]
    fn each_way_through_has_its_elements() {
        let v4 = forward("192.0.2.1", "10.0.0.2:22");
        let outside = NonZeroU16::new(2222);
        let address = Snat::Address("10.0.0.1".parse().unwrap());
        let to = "spa_to4_v1 192.0.2.1 to 10.0.0.2 tcp/22";
        let all = "spa_all4_v1 192.0.2.1 to 10.0.0.2 all ports";
        let dnat = "spa_dnat4_v1 192.0.2.1 to tcp/2222 forwarded to 10.0.0.2:22";
        let snat = "spa_snat4_v1 192.0.2.1 to 10.0.0.2 tcp/22 from 10.0.0.1";
        let masquerade = "spa_masq4_v1 192.0.2.1 to 10.0.0.2 tcp/22 masqueraded";
        for (forward, expected) in [
            (v4, vec![to]),
            (Forward { outside, ..v4 }, vec![to, dnat]),
            (Forward { outside, snat: Some(address), ..v4 }, vec![to, dnat, snat]),
            (Forward { snat: Some(Snat::Masquerade), ..v4 }, vec![to, masquerade]),
            (Forward { all: true, ..v4 }, vec![all]),
            (Forward { all: true, outside, snat: Some(Snat::Masquerade), ..v4 }, vec![all, dnat, masquerade]),
            (forward("2001:db8::1", "[2001:db8::2]:22"), vec!["spa_to6_v1 2001:db8::1 to 2001:db8::2 tcp/22"]),
            (
                Forward { all: true, ..forward("2001:db8::1", "[2001:db8::2]:22") },
                vec!["spa_all6_v1 2001:db8::1 to 2001:db8::2 all ports"],
            ),
        ] {
            assert_eq!(said(vec![forward]).unwrap(), expected);
        }
    }

    #[test]
    fn what_no_set_can_say_is_refused() {
        let v6 = forward("2001:db8::1", "[2001:db8::2]:22");
        for forward in [
            forward("192.0.2.1", "[2001:db8::2]:22"),
            forward("2001:db8::1", "10.0.0.2:22"),
            forward("192.0.2.1", "10.0.0.2:0"),
            Forward { outside: NonZeroU16::new(2222), ..v6 },
            Forward { snat: Some(Snat::Masquerade), ..v6 },
            Forward { snat: Some(Snat::Address("10.0.0.1".parse().unwrap())), ..v6 },
        ] {
            assert!(matches!(said(vec![forward]), Err(FirewallError::Opening(_))), "{forward:?}");
        }
    }

    #[test]
    fn what_two_ways_share_is_one_element_and_one_port_leads_to_one_place() {
        let way = |outside, to| Forward { outside: NonZeroU16::new(outside), ..forward("192.0.2.1", to) };
        assert_eq!(said(vec![way(2222, "10.0.0.2:22"), way(2223, "10.0.0.2:22")]).unwrap().len(), 3);
        assert!(said(vec![way(2222, "10.0.0.2:22"), way(2222, "10.0.0.3:22")]).is_err());
        let door = Opening {
            source: "192.0.2.1".parse().unwrap(),
            destination: Some("10.0.0.2".parse().unwrap()),
            port: "tcp/22".parse().unwrap(),
        };
        let grant = Grant {
            access: "alice".into(),
            openings: vec![door],
            forwards: vec![forward("192.0.2.1", "10.0.0.2:22")],
            command: None,
            timeout: 30,
        };
        assert_eq!(elements(&grant).unwrap().len(), 1);
    }

    #[test]
    fn translations_come_back_from_the_kernels_bytes() {
        let outside = NonZeroU16::new(2222);
        let snat = Some(Snat::Address("10.0.0.1".parse().unwrap()));
        let all = Forward { all: true, outside, snat, ..forward("192.0.2.1", "10.0.0.2:22") };
        let masquerade = Forward { snat: Some(Snat::Masquerade), ..forward("192.0.2.1", "10.0.0.3:22") };
        let v6 = Forward { all: true, ..forward("2001:db8::1", "[2001:db8::2]:22") };
        let grant = Grant {
            access: "a".into(),
            openings: Vec::new(),
            forwards: vec![all, masquerade, v6],
            command: None,
            timeout: 1,
        };
        for element in elements(&grant).unwrap() {
            let (set, key, data) = (element.set, element.key(), element.data());
            assert_eq!(u32::try_from(key.bytes().len()), Ok(set.key_length()));
            let data = data.as_ref().map_or(&[][..], |data| data.bytes());
            assert_eq!(u32::try_from(data.len()), Ok(set.data_length()));
            assert_eq!(Element::from_kernel(set, key.bytes(), None, Some(data)), Some(element));
            for cut in 0..data.len() {
                assert_eq!(Element::from_kernel(set, key.bytes(), None, Some(&data[..cut])), None);
            }
            assert_eq!(Element::from_kernel(set, key.bytes(), None, None).is_none(), set.is_map());
        }
    }
}
