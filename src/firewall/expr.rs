//! The few expressions that the rules of standalone mode are made of.
//!
//! Registers, lengths and dependencies are those that nft itself chooses, so that it lists the rules
//! as they read in [`super::standalone::script`].

use super::sets::Set;
use super::wire::Writer;
use crate::net::{Port, Proto};

/// The verdict accept, `NF_ACCEPT`.
pub(super) const ACCEPT: u32 = 1;
/// The verdict drop, `NF_DROP`.
const DROP: u32 = 0;
/// The verdict jump, `NFT_JUMP` (-3).
const JUMP: u32 = u32::MAX - 2;
/// Bytes of an interface name, `IFNAMSIZ`.
pub(super) const INTERFACE: usize = 16;

const LIST_ENTRY: u16 = 1;
const NAME: u16 = 1;
const DATA: u16 = 2;

const META_DESTINATION: u16 = 1;
const META_KEY: u16 = 2;
const META_IIFNAME: u32 = 6;
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;

const CT_DESTINATION: u16 = 1;
const CT_KEY: u16 = 2;
const CT_DIRECTION: u16 = 3;
const CT_STATE: u32 = 0;
const CT_STATUS: u32 = 2;
const CT_DESTINATION_PORT: u32 = 12;
/// The direction of a connection's first packet.
const ORIGINAL: u8 = 0;
/// The status of a connection whose destination was translated, as the kernel's register has it.
const CT_TRANSLATED: u32 = 0x20;
/// Established and related, as the kernel's register has them: in the byte order of the CPU.
const CT_KNOWN: u32 = 2 | 4;
/// Invalid and new, in the same way.
const CT_UNKNOWN: u32 = 1 | 8;

const FIB_DESTINATION: u16 = 1;
const FIB_RESULT: u16 = 2;
const FIB_FLAGS: u16 = 3;
const FIB_ADDRESS_TYPE: u32 = 3;
const FIB_OF_DESTINATION: u32 = 2;
/// The address type of the router's own addresses, `RTN_LOCAL`, in the byte order of the CPU.
const LOCAL: u32 = 2;

const LOOKUP_SET: u16 = 1;
const LOOKUP_SOURCE: u16 = 2;
const LOOKUP_DESTINATION: u16 = 3;
const LOOKUP_SET_ID: u16 = 4;

const NAT_TYPE: u16 = 1;
const NAT_FAMILY: u16 = 2;
const NAT_ADDRESS: u16 = 3;
const NAT_PORT: u16 = 5;
const NAT_SOURCE: u32 = 0;
const NAT_DESTINATION: u32 = 1;
/// The number of IPv4, `NFPROTO_IPV4`.
const IPV4: u8 = 2;
/// The number of IPv6, `NFPROTO_IPV6`.
const IPV6: u8 = 10;

const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;

const VALUE: u16 = 1;
const VERDICT: u16 = 2;
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;

const REJECT_TCP_RESET: (u32, u8) = (1, 0);
const REJECT_PORT_UNREACHABLE: (u32, u8) = (2, 1);

fn expression(writer: &mut Writer, name: &str, data: impl FnOnce(&mut Writer)) {
    writer.nest(LIST_ENTRY, |writer| {
        writer.text(NAME, name);
        writer.nest(DATA, data);
    });
}

/// The number of the register that starts `offset` bytes into the key.
fn register(offset: u32) -> u32 {
    if offset.is_multiple_of(16) { 1 + offset / 16 } else { 8 + offset / 4 }
}

fn meta(writer: &mut Writer, key: u32, register: u32) {
    expression(writer, "meta", |writer| {
        writer.u32(META_KEY, key);
        writer.u32(META_DESTINATION, register);
    });
}

fn payload(writer: &mut Writer, base: u32, offset: u32, length: u32, register: u32) {
    expression(writer, "payload", |writer| {
        for (kind, value) in (1..).zip([register, base, offset, length]) {
            writer.u32(kind, value);
        }
    });
}

fn compare(writer: &mut Writer, operation: u32, value: &[u8]) {
    expression(writer, "cmp", |writer| {
        writer.u32(1, 1);
        writer.u32(2, operation);
        writer.nest(3, |writer| writer.attribute(VALUE, value));
    });
}

fn verdict(writer: &mut Writer, code: u32, chain: Option<&str>) {
    expression(writer, "immediate", |writer| {
        writer.u32(1, 0);
        writer.nest(2, |writer| {
            writer.nest(VERDICT, |writer| {
                writer.u32(1, code);
                if let Some(chain) = chain {
                    writer.text(2, chain);
                }
            });
        });
    });
}

/// `iifname "NAME" jump CHAIN`
pub(super) fn jump_from(writer: &mut Writer, interface: &str, chain: &str) {
    let mut name = [0; INTERFACE];
    for (place, byte) in name.iter_mut().zip(interface.bytes()) {
        *place = byte;
    }
    meta(writer, META_IIFNAME, 1);
    compare(writer, EQUAL, &name);
    verdict(writer, JUMP, Some(chain));
}

/// `ct state established,related accept`
pub(super) fn accept_known(writer: &mut Writer) {
    match_state(writer, CT_KNOWN);
    verdict(writer, ACCEPT, None);
}

/// `ct state STATES`
fn match_state(writer: &mut Writer, states: u32) {
    match_bits(writer, CT_STATE, states);
}

/// Goes on where one of these bits of the connection is set.
fn match_bits(writer: &mut Writer, key: u32, bits: u32) {
    expression(writer, "ct", |writer| {
        writer.u32(CT_KEY, key);
        writer.u32(CT_DESTINATION, 1);
    });
    expression(writer, "bitwise", |writer| {
        writer.u32(1, 1);
        writer.u32(2, 1);
        writer.u32(3, 4);
        writer.nest(4, |writer| writer.attribute(VALUE, &bits.to_ne_bytes()));
        writer.nest(5, |writer| writer.attribute(VALUE, &[0; 4]));
    });
    compare(writer, NOT_EQUAL, &[0; 4]);
}

/// The rule that [`Set::rule`] spells: it looks the packet up and does what the set is for.
pub(super) fn rule(writer: &mut Writer, set: Set, id: u32) {
    if set == Set::Dnat4 {
        fib_local(writer);
    }
    if set.is_cut() {
        match_state(writer, CT_UNKNOWN);
    }
    load_key(writer, set);
    expression(writer, "lookup", |writer| {
        writer.u32(LOOKUP_SOURCE, register(0));
        if set.is_map() {
            writer.u32(LOOKUP_DESTINATION, register(0));
        }
        writer.text(LOOKUP_SET, set.name());
        writer.u32(LOOKUP_SET_ID, id);
    });
    match set {
        Set::Dnat4 => translate(writer, NAT_DESTINATION, Some(register(4))),
        Set::Snat4 => translate(writer, NAT_SOURCE, None),
        Set::Masq4 => expression(writer, "masq", |_| ()),
        Set::Cut4 | Set::Cut6 => verdict(writer, DROP, None),
        _ => verdict(writer, ACCEPT, None),
    }
}

/// `fib daddr type local`
fn fib_local(writer: &mut Writer) {
    expression(writer, "fib", |writer| {
        writer.u32(FIB_FLAGS, FIB_OF_DESTINATION);
        writer.u32(FIB_RESULT, FIB_ADDRESS_TYPE);
        writer.u32(FIB_DESTINATION, register(0));
    });
    compare(writer, EQUAL, &LOCAL.to_ne_bytes());
}

/// `ip saddr . ip daddr . meta l4proto . th sport . th dport`, as far as the set's key has them.
fn load_key(writer: &mut Writer, set: Set) {
    /// Where the kernel's number of the family and a header's source, destination and their length are.
    const V4: (u8, u32, u32, u32) = (IPV4, 12, 16, 4);
    const V6: (u8, u32, u32, u32) = (IPV6, 8, 24, 16);
    let (family, source, destination, length) = if set.is_v6() { V6 } else { V4 };
    meta(writer, META_NFPROTO, 1);
    compare(writer, EQUAL, &[family]);
    payload(writer, NETWORK_HEADER, source, length, register(0));
    let mut offset = length;
    if set.has_destination() {
        payload(writer, NETWORK_HEADER, destination, length, register(offset));
        offset += length;
    }
    if set.has_port() {
        meta(writer, META_L4PROTO, register(offset));
        offset += 4;
        if set.is_cut() {
            payload(writer, TRANSPORT_HEADER, 0, 2, register(offset));
            offset += 4;
        }
        payload(writer, TRANSPORT_HEADER, 2, 2, register(offset));
    }
}

/// Translates to the IPv4 address that the map gave, and to the port in the register `port`.
fn translate(writer: &mut Writer, kind: u32, port: Option<u32>) {
    expression(writer, "nat", |writer| {
        writer.u32(NAT_TYPE, kind);
        writer.u32(NAT_FAMILY, IPV4.into());
        writer.u32(NAT_ADDRESS, register(0));
        if let Some(port) = port {
            writer.u32(NAT_PORT, port);
        }
    });
}

/// `tcp dport PORT reject with tcp reset`, or for UDP `reject with icmpx port-unreachable`: what a
/// port without a listener answers.
pub(super) fn reject(writer: &mut Writer, port: Port) {
    meta(writer, META_L4PROTO, 1);
    compare(writer, EQUAL, &[port.proto.number()]);
    payload(writer, TRANSPORT_HEADER, 2, 2, 1);
    compare(writer, EQUAL, &port.number.get().to_be_bytes());
    answer(writer, port);
}

/// `meta l4proto tcp ct status dnat ct original proto-dst PORT reject with tcp reset`, or the same for UDP: a port
/// that somebody else's translation leads elsewhere.
pub(super) fn reject_translated(writer: &mut Writer, port: Port) {
    meta(writer, META_L4PROTO, 1);
    compare(writer, EQUAL, &[port.proto.number()]);
    match_bits(writer, CT_STATUS, CT_TRANSLATED);
    expression(writer, "ct", |writer| {
        writer.u32(CT_KEY, CT_DESTINATION_PORT);
        writer.u32(CT_DESTINATION, 1);
        writer.attribute(CT_DIRECTION, &[ORIGINAL]);
    });
    compare(writer, EQUAL, &port.number.get().to_be_bytes());
    answer(writer, port);
}

/// What a port without a listener answers.
fn answer(writer: &mut Writer, port: Port) {
    let (kind, code) = match port.proto {
        Proto::Tcp => REJECT_TCP_RESET,
        Proto::Udp => REJECT_PORT_UNREACHABLE,
    };
    expression(writer, "reject", |writer| {
        writer.u32(1, kind);
        writer.attribute(2, &[code]);
    });
}
