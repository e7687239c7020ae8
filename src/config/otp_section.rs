//! A `config otp 'NAME'` section: what a one-time password opens, and for whom.

use super::access_section::{expires, network, networks, prefix, without_repetition};
use super::fault::Complaint;
use super::main_section::{port, seconds};
use super::nat;
use super::section::Options;
use super::{Access, Commands, Open, Otp};
use crate::limits::PAGE_SERVICES_MAX;
use crate::net::{Prefix, is_forbidden};

/// How long a grant lives where the section does not say, in seconds.
const TIMEOUT: u32 = 300;

/// Reads the section; `None` where it is switched off. The findings say what was wrong with it.
pub(super) fn read(name: &str, options: &mut Options<'_>) -> Option<Otp> {
    let enabled = options.flag("enabled", true);
    let open = without_repetition(options.many("open", |text| if text == "any" { Err(any()) } else { port(text) }));
    if enabled && !options.has("open") && !options.has("forward") {
        let complaint = Complaint::new("the section opens nothing", "name a port, as in list open 'tcp/22'");
        options.refuse("open", complaint);
    }
    let nat = nat::read(options, &[]);
    if nat.forward.iter().any(|through| through.outside.is_none()) {
        options.refuse("forward", any());
    }
    let (prefix_v4, prefix_v6) = (prefix(options, "prefix_v4", 8..=32), prefix(options, "prefix_v6", 16..=128));
    nat::is_exact(options, &nat, false, (prefix_v4, prefix_v6));
    let timeout = seconds(options, "timeout", TIMEOUT);
    let allow_override = options.flag("allow_override", false);
    let override_range = without_repetition(options.many("override_range", network));
    if options.has("override_range") && !allow_override {
        let remedy = "write option allow_override '1', or remove it";
        options.warn("override_range", Complaint::new("has no effect, because nobody may name an address", remedy));
    }
    if let Some(wrong) = override_range.iter().find(|range| range.length() >= 4 && is_forbidden(range.address())) {
        let problem = format!("nobody can be at {wrong}");
        options.refuse("override_range", Complaint::new(problem, "write for example '198.51.100.0/24'"));
    }
    let is_wider = |range: &&Prefix| range.length() > if range.address().is_ipv4() { prefix_v4 } else { prefix_v6 };
    if let Some(narrow) = override_range.iter().find(is_wider) {
        let option = if narrow.address().is_ipv4() { "prefix_v4" } else { "prefix_v6" };
        let problem = format!("no address of {narrow} can be named: {option} would let in more than that");
        options.warn("override_range", Complaint::new(problem, "write a wider one, or a longer prefix"));
    }
    let access = Access {
        name: name.to_owned(),
        keys: Vec::new(),
        source: networks(options, "source"),
        destination: Vec::new(),
        open: Open::Ports(open),
        restrict: Vec::new(),
        forward: nat.forward,
        allow_nat: false,
        allow_local_nat: false,
        nat_target: Vec::new(),
        nat_dns: false,
        forward_all: nat.forward_all,
        disable_dnat: nat.disable_dnat,
        snat: nat.snat,
        commands: Commands::default(),
        match_destination: false,
        timeout,
        max_timeout: timeout,
        require_source_address: true,
        require_username: None,
        prefix_v4,
        prefix_v6,
        expires: options.one("expires", expires),
    };
    let otp = Otp {
        access,
        allow_override,
        override_range,
        allow_md4: options.flag("allow_md4", false),
        allow_new_chain: options.flag("allow_new_chain", false),
    };
    // What the page shows must fit one line of the daemon's.
    for (option, count) in [("open", otp.services().len()), ("override_range", otp.override_range.len())] {
        if count > PAGE_SERVICES_MAX {
            let problem = format!("there are more than {PAGE_SERVICES_MAX}, which no page can show");
            options.refuse(option, Complaint::new(problem, "make two sections, or join addresses to networks"));
        }
    }
    enabled.then_some(otp)
}

/// The complaint about `any`: a page shows what can be opened.
fn any() -> Complaint {
    Complaint::new("a page cannot show 'any'", "name the ports, as in 'tcp/22' or 'tcp/2222=192.168.1.10:22'")
}
