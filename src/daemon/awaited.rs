//! Where knocks are awaited, for people: transports, ports, devices, the listener.

use crate::capture::Transport;
use crate::config::Config;

/// Where the configuration says, and on which of its devices they are heard now.
pub(super) struct Awaited {
    /// Transports and ports.
    ways: String,
    /// The listener, or nothing.
    listener: String,
    devices: Vec<String>,
    heard: Vec<String>,
}

impl Awaited {
    /// What the configuration says of these devices, of which some are heard.
    pub(super) fn new(config: &Config, devices: &[String], heard: Vec<String>) -> Self {
        let transports = config.main.transports.iter().map(|transport| match transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Icmp => "icmp",
        });
        let ports = config.main.ports.iter().map(|range| match (range.start(), range.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        });
        let http = config.main.http.map(|_| "http");
        let (transports, ports) = (transports.chain(http).collect::<Vec<_>>(), ports.collect::<Vec<_>>());
        let listener = config.main.tcp_listen.map(|port| format!("the listener at tcp {port}"));
        Self {
            ways: format!("{} {}", transports.join(","), ports.join(",")),
            listener: listener.unwrap_or_default(),
            devices: devices.to_vec(),
            heard,
        }
    }

    /// Knocks are heard on these devices from now on.
    pub(super) fn hear(&mut self, heard: Vec<String>) {
        self.heard = heard;
    }

    /// Wherever the configuration says.
    pub(super) fn all(&self) -> String {
        self.on(&self.devices)
    }

    /// Where a knock would be heard now; `None` where nowhere.
    pub(super) fn now(&self) -> Option<String> {
        let deaf = self.heard.is_empty() && self.listener.is_empty();
        (!deaf).then(|| self.on(&self.heard))
    }

    fn on(&self, devices: &[String]) -> String {
        let Self { ways, listener, .. } = self;
        let devices = devices.join(", ");
        match (devices.is_empty(), listener.is_empty()) {
            (true, _) => listener.clone(),
            (false, true) => format!("{ways} on {devices}"),
            (false, false) => format!("{ways} on {devices}, and by {listener}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn awaited(main: &str) -> Awaited {
        let text = format!(
            "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n{main}\nconfig access 'alice'\n\
             \toption key 'k'\n\toption hmac_key 'h'\n\tlist open 'tcp/22'\n"
        );
        let config = config::parse(text.as_bytes(), "config").unwrap().config;
        Awaited::new(&config, &["wan".to_owned(), "lte".to_owned()], Vec::new())
    }

    #[test]
    fn only_devices_that_are_heard_are_named() {
        let mut awaited = awaited("");
        assert_eq!((awaited.all().as_str(), awaited.now()), ("udp 62201 on wan, lte", None));
        awaited.hear(vec!["lte".to_owned()]);
        assert_eq!(awaited.now().as_deref(), Some("udp 62201 on lte"));
        assert_eq!(awaited.all(), "udp 62201 on wan, lte");
    }

    #[test]
    fn a_listener_hears_without_devices() {
        let mut awaited = awaited("\toption tcp_listen '62202'\n");
        assert_eq!(awaited.now().as_deref(), Some("the listener at tcp 62202"));
        awaited.hear(vec!["wan".to_owned()]);
        assert_eq!(awaited.now().as_deref(), Some("udp 62201 on wan, and by the listener at tcp 62202"));
    }
}
