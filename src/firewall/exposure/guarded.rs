//! What the knock guards: the ports that a configuration opens to those who knock, and to nobody else.

use std::net::{IpAddr, SocketAddr};

use crate::config::{Config, FirewallMode, Open, Through};
use crate::net::{Port, Proto};
use crate::sorted::once_each;

/// Where a guarded port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    /// On the router.
    Router,
    /// On the router's address, by which knocks are led to this service; nothing else there is of interest.
    Outside(SocketAddr),
    /// On a host behind the router, at its own address.
    Host(IpAddr),
}

/// A port that nobody is to reach without a knock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Guarded {
    /// The port.
    pub port: Port,
    /// Where it is.
    pub at: At,
}

/// All that a configuration guards. What a client may name freely is no port that anybody can look at.
#[must_use]
pub fn guarded(config: &Config) -> Vec<Guarded> {
    let mut all = Vec::new();
    let router = |port| Guarded { port, at: At::Router };
    if config.main.firewall == FirewallMode::Standalone {
        all.extend(config.main.protect.iter().copied().map(router));
    }
    for access in config.stanzas() {
        if let Open::Ports(ports) = &access.open {
            all.extend(ports.iter().copied().filter(|port| !access.restrict.contains(port)).map(router));
        }
        for through in &access.forward {
            forwarded(&mut all, through, access.disable_dnat);
        }
    }
    once_each(&mut all);
    all
}

fn forwarded(all: &mut Vec<Guarded>, through: &Through, disable_dnat: bool) {
    if through.to.is_ipv4() && !disable_dnat {
        all.extend(through.outside.map(|port| Guarded { port, at: At::Outside(through.to) }));
        return;
    }
    let protos = through.outside.map_or_else(|| vec![Proto::Tcp, Proto::Udp], |port| vec![port.proto]);
    let Ok(number) = through.to.port().try_into() else { return };
    all.extend(protos.into_iter().map(|proto| Guarded { port: Port { proto, number }, at: At::Host(through.to.ip()) }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(main: &str, access: &str) -> Vec<String> {
        let text = format!(
            "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n{main}\nconfig access 'alice'\n\
             \toption key 'k'\n\toption hmac_key 'h'\n{access}"
        );
        let config = crate::config::parse(text.as_bytes(), "config").unwrap().config;
        guarded(&config).iter().map(|guarded| format!("{} {:?}", guarded.port, guarded.at)).collect()
    }

    #[test]
    fn open_ports_and_forwards_are_guarded() {
        let open = "\tlist open 'tcp/22'\n\tlist open 'udp/53'\n\tlist restrict 'udp/53'\n";
        assert_eq!(of("", open), ["tcp/22 Router"]);
        let ways = "\tlist forward 'tcp/2222=192.168.1.10:22'\n\tlist forward 'udp/9=[2001:db8::10]:9'\n";
        assert_eq!(of("", ways), ["tcp/2222 Outside(192.168.1.10:22)", "udp/9 Host(2001:db8::10)"]);
        let direct = format!("{ways}\toption disable_dnat '1'\n");
        assert_eq!(of("", &direct), ["tcp/22 Host(192.168.1.10)", "udp/9 Host(2001:db8::10)"]);
        assert_eq!(of("", "\tlist forward 'any=192.168.1.10:22'\n\toption disable_dnat '1'\n").len(), 2);
    }

    #[test]
    fn what_a_client_names_freely_is_guarded_where_it_is_protected() {
        let any = "\tlist open 'any'\n";
        assert_eq!(of("", any), [""; 0]);
        let alone = "\toption firewall 'standalone'\n\tlist protect 'tcp/22'\n";
        assert_eq!(of(alone, any), ["tcp/22 Router"]);
    }
}
