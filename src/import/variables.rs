//! Every variable of fwknop, and what becomes of it here.

/// What becomes of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It has its option.
    Honoured,
    /// It has its option, with this difference.
    Changed(&'static str),
    /// It was never read by fwknop, or says what is so here anyway.
    Silent,
    /// It has no meaning here, for this reason; nobody gets more or less access.
    Noted(&'static str),
    /// It will not come, for this reason.
    Refused(&'static str),
    /// As [`Self::Refused`] when the value means yes; what it says otherwise is so anyway.
    RefusedIfYes(&'static str),
    /// As [`Self::Refused`] for any other value than this, blanks aside.
    RefusedUnless(&'static str, &'static str),
}

use Fate::{Changed, Honoured, Noted, Refused, RefusedIfYes, RefusedUnless, Silent};

const COMMANDS: &str = "fwknop's clients could run anything; name each command: `list command 'NAME=PROGRAM ARG...'`";
const ANY_HOST: &str = "becomes `allow_nat`: the host must be in a network behind the router, or in `nat_target`";
const OWN: &str = "becomes `allow_local_nat`: the address must be one of the router's own";
const ON_OPEN: &str = "it ran in place of a grant, its words filled in from the packet; name a command, `list command \
                       'NAME=PROGRAM ARG...'`, for `option on_open 'NAME'` and `option on_close 'NAME'`, which run after \
                       a grant of `list open` and at its end: docs/migrating-from-fwknop.md names the values in their environment";
const ON_CLOSE: &str = "as CMD_CYCLE_OPEN: name a command, `list command 'NAME=PROGRAM ARG...'`, for \
                        `option on_close 'NAME'`; leave the option out for NONE";
const CYCLE_TIMER: &str = "`option on_close` runs at the end of the grant: its time is `timeout`, or what the client \
                           asks for up to `max_timeout`";
pub(super) const GPG: &str = "GPG is not supported by this daemon; use KEY_BASE64 and HMAC_KEY_BASE64";
pub(super) const PERL: &str = "this is an option of the old Perl fwknop; remove it";
const NO_COMMANDS: &str = "has no meaning without commands";
const NAMES: &str = "becomes `nat_dns`, which is Y where it is missing, in stanzas that allow NAT; the address must be \
                     permitted as if the client had named it";
const KERNEL: &str = "is not needed, because the kernel closes every port by itself";
const CAPTURE: &str = "is not needed, because the kernel filters and wakes the daemon";
const PROCD: &str = "is not needed, because procd, or the command line, decides about it";
const CHAINS: &str = "iptables chains do not exist here; grants apply to the zones of option zone";
const FIREWALLD: &str = "this daemon is built for nftables, not for firewalld";
const BSD: &str = "this daemon is built for nftables, not for the firewalls of BSD";
const INTERNAL: &str = "this is for fwknop's own tests; remove it";
const UNREAD: &str = "was never read by fwknop";

/// The variables of access.conf, as fwknop 2.6.11 has them.
pub(super) const ACCESS: &[(&str, Fate)] = &[
    ("SOURCE", Honoured),
    ("DESTINATION", Honoured),
    ("KEY", Honoured),
    ("KEY_BASE64", Honoured),
    ("HMAC_KEY", Honoured),
    ("HMAC_KEY_BASE64", Honoured),
    ("HMAC_DIGEST_TYPE", Honoured),
    ("ENCRYPTION_MODE", Honoured),
    ("OPEN_PORTS", Honoured),
    ("RESTRICT_PORTS", Honoured),
    ("FW_ACCESS_TIMEOUT", Honoured),
    ("MAX_FW_TIMEOUT", Honoured),
    ("REQUIRE_USERNAME", Honoured),
    ("REQUIRE_SOURCE_ADDRESS", Honoured),
    ("REQUIRE_SOURCE", Honoured),
    ("ACCESS_EXPIRE", Changed("becomes `expires`, which is read as UTC, and by fwknop as local time")),
    ("ACCESS_EXPIRE_EPOCH", Honoured),
    ("FORCE_NAT", Changed("becomes `list forward`, for each port of OPEN_PORTS, or for any where that is missing")),
    ("FORCE_SNAT", Changed("becomes `snat`, also without ENABLE_IPT_SNAT")),
    ("FORCE_MASQUERADE", Changed("Y becomes `snat` 'masquerade'")),
    ("DISABLE_DNAT", Changed("becomes `disable_dnat`; OPEN_PORTS and RESTRICT_PORTS judge the inside port too")),
    (
        "FORWARD_ALL",
        Changed(
            "becomes `forward_all`: everything of the one host that is forwarded to; only the requested port is translated",
        ),
    ),
    ("ENABLE_CMD_EXEC", RefusedIfYes(COMMANDS)),
    ("CMD_EXEC_USER", Noted(NO_COMMANDS)),
    ("CMD_EXEC_GROUP", Noted(NO_COMMANDS)),
    ("ENABLE_CMD_SUDO_EXEC", RefusedIfYes("there is no sudo on this system")),
    ("CMD_SUDO_EXEC_USER", Noted(NO_COMMANDS)),
    ("CMD_SUDO_EXEC_GROUP", Noted(NO_COMMANDS)),
    ("CMD_CYCLE_OPEN", Refused(ON_OPEN)),
    ("CMD_CYCLE_CLOSE", Refused(ON_CLOSE)),
    ("CMD_CYCLE_TIMER", Refused(CYCLE_TIMER)),
    ("GPG_HOME_DIR", Refused(GPG)),
    ("GPG_EXE", Refused(GPG)),
    ("GPG_DECRYPT_ID", Refused(GPG)),
    ("GPG_DECRYPT_PW", Refused(GPG)),
    ("GPG_ALLOW_NO_PW", Refused(GPG)),
    ("GPG_REQUIRE_SIG", Refused(GPG)),
    ("GPG_DISABLE_SIG", Refused(GPG)),
    ("GPG_IGNORE_SIG_VERIFY_ERROR", Refused(GPG)),
    ("GPG_REMOTE_ID", Refused(GPG)),
    ("GPG_FINGERPRINT_ID", Refused(GPG)),
    ("keytype", Silent),
    ("hkeytype", Silent),
    ("DATA_COLLECT_MODE", Refused(PERL)),
    ("CMD_REGEX", Refused(PERL)),
    ("DISABLE_FW_ACCESS", Refused(PERL)),
    ("ENABLE_FORWARD_ACCESS", Refused(PERL)),
    ("ENABLE_OUTPUT_ACCESS", Refused(PERL)),
    ("ENCRYPT_SEQUENCE", Refused(PERL)),
    ("INTERNAL_NET_ACCESS", Refused(PERL)),
    ("KNOCK_INTERVAL", Refused(PERL)),
    ("KNOCK_LIMIT", Refused(PERL)),
    ("MAX_TIME_DIFF", Refused(PERL)),
    ("MIN_TIME_DIFF", Refused(PERL)),
    ("PERMIT_CLIENT_PORTS", Refused(PERL)),
    ("PORT_OFFSET", Refused(PERL)),
    ("REQUIRE_AUTH_METHOD", Refused(PERL)),
    ("REQUIRE_OS", Refused(PERL)),
    ("REQUIRE_OS_REGEX", Refused(PERL)),
    ("RESTRICT_INTF", Refused(PERL)),
    ("SHARED_SEQUENCE", Refused(PERL)),
];

/// The variables that a file of `%include_keys` may have besides GPG's.
pub(super) const KEYS: [&str; 4] = ["KEY", "KEY_BASE64", "HMAC_KEY", "HMAC_KEY_BASE64"];

/// The variables of fwknopd.conf, as fwknop 2.6.11 has them.
pub(super) const SERVER: &[(&str, Fate)] = &[
    ("PCAP_INTF", Honoured),
    ("PCAP_FILTER", Honoured),
    ("ENABLE_UDP_SERVER", Changed("decides whether UDPSERV_PORT is the captured port; no socket is opened")),
    ("UDPSERV_PORT", Honoured),
    ("ENABLE_NFQ_CAPTURE", Changed("decides whether NFQ_PORT and NFQ_INTERFACE are captured; there is no queue")),
    ("NFQ_INTERFACE", Honoured),
    ("NFQ_PORT", Honoured),
    ("ENABLE_SPA_PACKET_AGING", Changed("N becomes `max_age` '0': the times of a stanza's knocks must rise")),
    ("MAX_SPA_PACKET_AGE", Honoured),
    ("ENABLE_DIGEST_PERSISTENCE", Changed("a knock never works twice, whatever it says")),
    (
        "ENABLE_DESTINATION_RULE",
        Changed(
            "becomes `match_destination`; refused beside NAT, whose grants hold towards every address of the router",
        ),
    ),
    ("ACCESS_FOLDER", Changed("is read where `--access` is left out; refused where `--access` names anything else")),
    ("ACCESS_FILE", Changed("is read where `--access` is left out and there is no ACCESS_FOLDER")),
    ("PCAP_FILE", Refused("a capture file opens nothing; spa-knockd explain --pcap reads one")),
    ("ENABLE_PCAP_PROMISC", RefusedIfYes("packets that are not for this host are not supported")),
    ("ENABLE_PCAP_ANY_DIRECTION", RefusedIfYes("packets that this host sends are never looked at")),
    ("PCAP_DISPATCH_COUNT", Noted(CAPTURE)),
    ("PCAP_LOOP_SLEEP", Noted(CAPTURE)),
    ("MAX_SNIFF_BYTES", Noted(CAPTURE)),
    ("UDPSERV_SELECT_TIMEOUT", Noted(CAPTURE)),
    ("NFQ_TABLE", Noted(CAPTURE)),
    ("NFQ_CHAIN", Noted(CAPTURE)),
    ("NFQ_QUEUE_NUMBER", Noted(CAPTURE)),
    ("NFQ_LOOP_SLEEP", Noted(CAPTURE)),
    ("EXIT_AT_INTF_DOWN", Noted("is not needed, because the daemon waits for its devices")),
    ("RULES_CHECK_THRESHOLD", Noted(KERNEL)),
    ("FLUSH_IPT_AT_INIT", Noted(KERNEL)),
    ("FLUSH_IPT_AT_EXIT", Noted(KERNEL)),
    ("CMD_EXEC_TIMEOUT", Noted(NO_COMMANDS)),
    ("ENABLE_SPA_OVER_HTTP", Changed("becomes `list transport 'http'`")),
    ("ALLOW_ANY_USER_AGENT", Honoured),
    ("ENABLE_X_FORWARDED_FOR", Honoured),
    ("ENABLE_TCP_SERVER", Honoured),
    ("TCPSERV_PORT", Honoured),
    ("LOCALE", Silent),
    ("SYSLOG_IDENTITY", Noted(PROCD)),
    ("SYSLOG_FACILITY", Noted(PROCD)),
    ("VERBOSE", Noted("is not imported; see option log_level")),
    ("ENABLE_RULE_PREPEND", Noted("has no meaning, because sets have no order")),
    ("ENABLE_NAT_DNS", Changed(NAMES)),
    ("ENABLE_IPT_FORWARDING", Changed(ANY_HOST)),
    ("ENABLE_IPT_LOCAL_NAT", Changed(OWN)),
    ("ENABLE_IPT_SNAT", Changed("becomes `snat` of every stanza that forwards")),
    (
        "SNAT_TRANSLATE_IP",
        Changed("the address of `snat` where ENABLE_IPT_SNAT says Y, which is otherwise 'masquerade'"),
    ),
    ("ENABLE_IPT_OUTPUT", Noted("has no meaning, because fw4 lets the router's answers out")),
    ("ENABLE_IPT_COMMENT_CHECK", Silent),
    ("IPT_INPUT_ACCESS", RefusedUnless("ACCEPT,filter,INPUT,1,FWKNOP_INPUT,1", CHAINS)),
    ("IPT_OUTPUT_ACCESS", RefusedUnless("ACCEPT,filter,OUTPUT,1,FWKNOP_OUTPUT,1", CHAINS)),
    ("IPT_FORWARD_ACCESS", RefusedUnless("ACCEPT,filter,FORWARD,1,FWKNOP_FORWARD,1", CHAINS)),
    ("IPT_DNAT_ACCESS", RefusedUnless("DNAT,nat,PREROUTING,1,FWKNOP_PREROUTING,1", CHAINS)),
    ("IPT_SNAT_ACCESS", RefusedUnless("SNAT,nat,POSTROUTING,1,FWKNOP_POSTROUTING,1", CHAINS)),
    ("IPT_MASQUERADE_ACCESS", RefusedUnless("MASQUERADE,nat,POSTROUTING,1,FWKNOP_MASQUERADE,1", CHAINS)),
    ("ENABLE_FIREWD_FORWARDING", Changed(ANY_HOST)),
    ("ENABLE_FIREWD_LOCAL_NAT", Changed(OWN)),
    ("ENABLE_FIREWD_SNAT", Changed("becomes `snat` of every stanza that forwards")),
    ("ENABLE_FIREWD_OUTPUT", Noted("has no meaning, because fw4 lets the router's answers out")),
    ("ENABLE_FIREWD_COMMENT_CHECK", Silent),
    ("FWKNOP_RUN_DIR", Noted(PROCD)),
    ("FWKNOP_CONF_DIR", Noted(PROCD)),
    ("FWKNOP_PID_FILE", Noted(PROCD)),
    ("DIGEST_FILE", Noted("is not imported; knocks from before the change are too old to be replayed")),
    ("DIGEST_DB_FILE", Noted("is not imported; knocks from before the change are too old to be replayed")),
    ("GPG_HOME_DIR", Noted("has no meaning without GPG")),
    ("GPG_EXE", Noted("has no meaning without GPG")),
    ("SUDO_EXE", Noted(NO_COMMANDS)),
    ("FIREWALL_EXE", Noted("is not needed, because the daemon speaks to the kernel")),
    ("ENABLE_EXTERNAL_CMDS", Noted(UNREAD)),
    ("EXTERNAL_CMD_OPEN", Noted(UNREAD)),
    ("EXTERNAL_CMD_CLOSE", Noted(UNREAD)),
    ("EXTERNAL_CMD_ALARM", Noted(UNREAD)),
    ("ENABLE_EXT_CMD_PREFIX", Noted(UNREAD)),
    ("EXT_CMD_PREFIX", Noted(UNREAD)),
    ("BLACKLIST", Noted(UNREAD)),
    ("FIREWALL_TYPE", Noted(UNREAD)),
    ("CONFIG_FILE", Refused(INTERNAL)),
    ("OVERRIDE_CONFIG", Refused(INTERNAL)),
    ("AFL_PKT_FILE", Refused(INTERNAL)),
    ("FAULT_INJECTION_TAG", Refused(INTERNAL)),
];

/// Families of fwknopd.conf variables that are refused by the beginning of their names.
pub(super) const SERVER_FAMILIES: [(&str, &str); 6] = [
    ("FIREWD_", FIREWALLD),
    ("FLUSH_FIREWD_", FIREWALLD),
    ("IPFW_", BSD),
    ("FLUSH_IPFW_", BSD),
    ("PF_", BSD),
    ("FLUSH_PF_", BSD),
];

/// How the names of further variables of the old Perl fwknop begin.
pub(super) const PERL_FAMILY: &str = "ENABLE_CMD_EXEC_";

/// What becomes of a variable of access.conf.
pub(super) fn access(name: &str) -> Option<Fate> {
    if name.starts_with(PERL_FAMILY) {
        return Some(Refused(PERL));
    }
    find(ACCESS, name)
}

/// What becomes of a variable of fwknopd.conf.
pub(super) fn server(name: &str) -> Option<Fate> {
    let family = SERVER_FAMILIES.into_iter().find(|(start, _)| name.starts_with(start));
    find(SERVER, name).or(family.map(|(_, reason)| Refused(reason)))
}

fn find(table: &[(&str, Fate)], name: &str) -> Option<Fate> {
    table.iter().find(|(known, _)| *known == name).map(|(_, fate)| *fate)
}

/// Which variables an option of the written configuration comes from, the usual one first.
pub(super) fn of_option(option: &str) -> &'static [&'static str] {
    match option {
        "device" => &["PCAP_INTF", "NFQ_INTERFACE"],
        "port" => &["PCAP_FILTER", "UDPSERV_PORT", "NFQ_PORT"],
        "tcp_listen" => &["TCPSERV_PORT", "ENABLE_TCP_SERVER"],
        "any_user_agent" => &["ALLOW_ANY_USER_AGENT"],
        "trust_forwarded_for" => &["ENABLE_X_FORWARDED_FOR"],
        "max_age" => &["MAX_SPA_PACKET_AGE"],
        "key" => &["KEY"],
        "key_base64" => &["KEY_BASE64", "KEY"],
        "hmac_key" => &["HMAC_KEY"],
        "hmac_key_base64" => &["HMAC_KEY_BASE64", "HMAC_KEY"],
        "hmac_digest" => &["HMAC_DIGEST_TYPE"],
        "encryption_mode" => &["ENCRYPTION_MODE"],
        "source" => &["SOURCE"],
        "destination" => &["DESTINATION"],
        "open" => &["OPEN_PORTS"],
        "restrict" => &["RESTRICT_PORTS"],
        "timeout" => &["FW_ACCESS_TIMEOUT"],
        "max_timeout" => &["MAX_FW_TIMEOUT"],
        "match_destination" => &["ENABLE_DESTINATION_RULE"],
        "forward" => &["FORCE_NAT"],
        "allow_nat" => &["ENABLE_IPT_FORWARDING", "ENABLE_FIREWD_FORWARDING"],
        "allow_local_nat" => &["ENABLE_IPT_LOCAL_NAT", "ENABLE_FIREWD_LOCAL_NAT"],
        "forward_all" => &["FORWARD_ALL"],
        "nat_dns" => &["ENABLE_NAT_DNS"],
        "disable_dnat" => &["DISABLE_DNAT"],
        "snat" => &["FORCE_SNAT", "FORCE_MASQUERADE", "SNAT_TRANSLATE_IP", "ENABLE_IPT_SNAT", "ENABLE_FIREWD_SNAT"],
        "require_source_address" => &["REQUIRE_SOURCE_ADDRESS", "REQUIRE_SOURCE"],
        "require_username" => &["REQUIRE_USERNAME"],
        "expires" => &["ACCESS_EXPIRE", "ACCESS_EXPIRE_EPOCH"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_once_and_reasons_are_for_people() {
        for table in [ACCESS, SERVER] {
            for (index, (name, fate)) in table.iter().enumerate() {
                assert!(!table[..index].iter().any(|(other, _)| other == name), "{name}");
                if let Changed(text) | Noted(text) | Refused(text) | RefusedIfYes(text) = fate {
                    assert!(!text.is_empty() && !text.ends_with('.'), "{name}");
                }
            }
        }
    }

    #[test]
    fn options_come_from_variables_that_are_honoured() {
        for known in crate::config::options::ACCESS.iter().chain(crate::config::options::MAIN) {
            for variable in of_option(known.name) {
                let fate = access(variable).or_else(|| server(variable));
                assert!(matches!(fate, Some(Honoured | Changed(_))), "{variable}");
            }
        }
    }
}
