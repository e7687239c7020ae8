//! Every bound of the program, named, with its reason.

/// Shortest fwknop packet text that is looked at, in characters: what fwknopd demands.
pub const PACKET_MIN: usize = 140;

/// Longest fwknop packet text that is looked at, in characters: what fwknopd demands.
pub const PACKET_MAX: usize = 1500;

/// Shortest plaintext of a fwknop packet, in bytes: shorter ones cannot hold all fields.
pub const PLAINTEXT_MIN: usize = 36;

/// Longest encoded user name field, in base64 characters; 48 bytes of name.
pub const USER_FIELD_MAX: usize = 64;

/// Longest user name that fits the field, in bytes.
pub const USERNAME_MAX: usize = USER_FIELD_MAX / 4 * 3;

/// Longest timestamp field, in digits.
pub const TIMESTAMP_FIELD_MAX: usize = 12;

/// Longest version field, in characters.
pub const VERSION_FIELD_MAX: usize = 8;

/// Longest message or NAT field, in base64 characters; 192 bytes of text.
pub const MESSAGE_FIELD_MAX: usize = 256;

/// Longest host in a NAT field, in characters.
pub const NAT_HOST_MAX: usize = 70;

/// Largest client timeout that a fwknop packet may carry, in seconds.
pub const CLIENT_TIMEOUT_MAX: u32 = 65_536;

/// Longest encryption key, in bytes: AES-256 as fwknop uses it.
pub const KEY_MAX: usize = 32;

/// Longest HMAC key, in bytes: the limit of fwknop's library.
pub const HMAC_KEY_MAX: usize = 136;

/// Longest HMAC passphrase, in bytes: fwknop's client silently cuts a longer one.
pub const HMAC_PASSPHRASE_MAX: usize = 128;

/// Largest timeout that a configuration may name, in seconds: fwknop's limit, 97 days.
pub const TIMEOUT_MAX: u32 = 8_388_608;

/// Largest `max_age`, in seconds: fwknop's limit.
pub const MAX_AGE_MAX: u64 = 100_000;

/// Most access stanzas in one configuration: each costs one HMAC per junk packet.
pub const STANZAS_MAX: usize = 256;

/// Most captured ports and port ranges: the kernel goes through them for each packet, and old ones have little room for them.
pub const PORT_RANGES_MAX: usize = 32;

/// Most sections in one configuration: names are compared with each other.
pub const SECTIONS_MAX: usize = 2 * STANZAS_MAX;

/// Most lines in one section of a configuration: values are compared with each other.
pub const ENTRIES_MAX: usize = 1_024;

/// Longest name of a stanza, in bytes: it is the comment of the set elements.
pub const NAME_MAX: usize = 64;

/// Largest configuration file that is read, in bytes, and largest file of the system or of fwknop's.
pub const CONFIG_MAX: u64 = 1 << 20;

/// Knocks that the replay memory holds; when it is full of living entries, new knocks are refused.
pub const REPLAY_MAX: usize = 16_384;

/// Largest journal that is read, in bytes: more than twice what a full replay memory and its slack need.
pub const JOURNAL_MAX: u64 = 1 << 23;

/// Elements that a set of the firewall holds, as the set declarations say.
pub const SET_SIZE: u32 = 16_384;

/// Elements that a set for widened sources holds, as the set declarations say.
pub const WIDENED_SET_SIZE: u32 = 1_024;

/// Connections that the TCP listener keeps at once; the oldest makes room for another one.
pub const CONNECTIONS_MAX: usize = 16;

/// Seconds that the TCP listener waits for the end of what a client says: fwknop's says it all at once.
pub const CONNECTION_DEADLINE: u64 = 2;

/// Most commands of one stanza.
pub const COMMANDS_MAX: usize = 16;

/// Longest name of a command, in characters.
pub const COMMAND_NAME_MAX: usize = 32;

/// Longest `list command`, in bytes: the helper is told each in one datagram.
pub const COMMAND_MAX: usize = 1_024;

/// Longest datagram between daemon and helper, in bytes; what a grant has to say is far shorter.
pub const HELPER_MESSAGE_MAX: usize = 16_384;

/// Living grants whose end has a command run, all stanzas together; one more is refused.
pub const CLOSINGS_MAX: usize = 1_024;

/// Commands of ends that run at once, whatever else runs; the rest wait for their turn.
pub const CLOSINGS_RUNNING_MAX: usize = 4;

/// Other commands that run at once; one more is refused.
pub const RUNNING_MAX: usize = 8;

/// Seconds that a command may run before it is killed with all that it started.
pub const COMMAND_TIME: u64 = 30;

/// Knocks that wait for the address of a name, and look-ups that run, at once; one more is refused.
pub const LOOKUPS_MAX: usize = 8;

/// Of these, knocks of one stanza: a name server that stalls holds up its own user, not the others.
pub const LOOKUPS_EACH_MAX: usize = 3;

/// Seconds that the look-up of a name may take before it is killed.
pub const LOOKUP_TIME: u64 = 5;

/// Addresses of one name that are looked at; further ones are left out.
pub const ADDRESSES_MAX: usize = 16;

/// Longest host name, in characters (RFC 1035, section 2.3.4, without the dot at the end).
pub const HOST_NAME_MAX: usize = 253;

/// IPv6 extension headers that are walked before a packet is refused.
pub const EXTENSION_HEADERS_MAX: usize = 8;

/// VLAN tags that are walked before a frame is refused: one customer and one provider tag, and one to spare.
pub const VLAN_TAGS_MAX: usize = 3;

/// Rules of the living ruleset that are read to tell whether a guarded port is open already; fw4 has a few hundred,
/// and more would keep a knock waiting for longer than 20 ms.
pub const RULES_MAX: usize = 2_048;

/// Bytes of these rules.
pub const RULE_BYTES_MAX: usize = 1 << 19;

/// Guarded ports that one examination looks at.
pub const GUARDED_PORTS_MAX: usize = 1_024;

/// Walks and rules of one examination together: a few milliseconds' work.
pub const WALKED_RULES_MAX: usize = 16_384;

/// Sets whose elements one examination reads.
pub const LOOKED_UP_SETS_MAX: usize = 128;

/// Elements that it reads of one set; a larger one is not examined.
pub const LOOKED_UP_ELEMENTS_MAX: usize = 2_048;

/// Addresses of the router, of each family, that a stranger's packet is sent to where a rule asks for them.
pub const OWN_ADDRESSES_MAX: usize = 8;

/// Ports that some rule translates and that are tried as ways to a guarded one.
pub const TRANSLATED_PORTS_MAX: usize = 32;

/// Open guarded ports that one examination names.
pub const FINDINGS_MAX: usize = 64;

/// Seconds for which an ended connection is kept from being taken up again: longer than the retransmissions and the
/// keep-alive of a TCP stack last (two hours and a half), while a forgotten one does not stand in the way for ever.
pub const CUT_TIME: u64 = 86_400;

/// Milliseconds that one request may go on ending connections; knocks wait meanwhile.
pub const KILL_TIME: u64 = 200;

/// Milliseconds that one request to end connections may take in all, reading them included: a reading cannot be taken up
/// where it was broken off, and one of 100,000 connections took 230 ms.
pub const KILL_READ_TIME: u64 = 2_000;

/// Connections of one request that are kept from being taken up again, so that no one client fills the set.
pub const CUTS_MAX: usize = 4_096;

/// Revoked elements that are remembered because connections which they let in are still to be ended.
pub const UNFINISHED_MAX: usize = 16_384;

/// Longest response of a one-time password that is read, in bytes: the longest form of RFC 2243, with blanks to spare.
pub const OTP_RESPONSE_MAX: usize = 160;

/// Longest secret of an authenticator app that is taken over, in bytes; the longest block of its hash functions.
pub const OTP_SECRET_MAX: usize = 128;

/// Shortest such secret, in bytes (RFC 4226, section 4).
pub const OTP_SECRET_MIN: usize = 16;

/// Largest file of a one-time-password user, in bytes.
pub const OTP_RECORD_MAX: u64 = 1_024;

/// Milliseconds that one verification waits for another one, or for the command line, to leave the store.
pub const OTP_LOCK_TIME: u64 = 2_000;

/// Sources of wrong one-time passwords that are remembered; beyond, the ones that did least are forgotten.
pub const OTP_SOURCES_MAX: usize = 1_024;

/// Longest line between the page and the daemon, in bytes, with its end.
pub const PAGE_LINE_MAX: usize = 8_192;

/// Longest `Host` and `X-Forwarded-For` header that the page looks at, in bytes: a name of a host and its port, or a
/// few addresses.
pub const PAGE_HEADER_MAX: usize = 280;

/// Longest text in the page's field for another address, in bytes; the longest IPv6 address has 45.
pub const PAGE_ADDRESS_MAX: usize = 64;

/// Services that one visitor may choose from, and networks that another address may be of.
pub const PAGE_SERVICES_MAX: usize = 64;

/// Visitors of the page at once; one more is asked to come back.
pub const PAGE_VISITORS_MAX: usize = 16;

/// Seconds that the page's program may take to ask, and to read the answer.
pub const PAGE_DEADLINE: u64 = 10;

/// Seconds that the page's program waits for the whole of a form. Whoever sends none holds one of the web server's few
/// places for so long.
pub const PAGE_BODY_TIME: u64 = 2;

/// Milliseconds from a question to the answer that it is refused, whatever the reason.
pub const PAGE_REFUSAL_TIME: u64 = 1_000;

/// Milliseconds from a question to the form that answers it, whoever it is for.
pub const PAGE_FORM_TIME: u64 = 150;

/// Seconds that the page waits for the daemon's one poll.
pub const PAGE_PATIENCE: u64 = 5;

/// Tickets for what is open that are remembered; beyond, those that end first are forgotten.
pub const PAGE_TICKETS_MAX: usize = 256;

/// Largest form that the page's program reads, in bytes: every service chosen, and all of it written as `%xx`.
pub const PAGE_BODY_MAX: usize = 8_192;

/// Longest query that it reads, in bytes: the longest name, all of it written as `%xx`.
pub const PAGE_QUERY_MAX: usize = 256;

/// Seconds that it waits for the daemon, which has ten for a visitor.
pub const PAGE_ANSWER_TIME: u64 = 12;
