//! The few expressions that the rules of standalone mode are made of.
//!
//! Registers, lengths and dependencies are those that nft itself chooses, so that it lists the rules
//! as they read in [`super::standalone::script`].

use super::sets::Set;
use super::wire::Writer;
use crate::net::{Port, Proto};

/// The verdict accept, `NF_ACCEPT`.
pub(super) const ACCEPT: u32 = 1;
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
const CT_STATE: u32 = 0;
/// Established and related, as the kernel's register has them: in the byte order of the CPU.
const CT_KNOWN: u32 = 2 | 4;

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
    expression(writer, "ct", |writer| {
        writer.u32(CT_KEY, CT_STATE);
        writer.u32(CT_DESTINATION, 1);
    });
    expression(writer, "bitwise", |writer| {
        writer.u32(1, 1);
        writer.u32(2, 1);
        writer.u32(3, 4);
        writer.nest(4, |writer| writer.attribute(VALUE, &CT_KNOWN.to_ne_bytes()));
        writer.nest(5, |writer| writer.attribute(VALUE, &[0; 4]));
    });
    compare(writer, NOT_EQUAL, &[0; 4]);
    verdict(writer, ACCEPT, None);
}

/// `ip saddr . meta l4proto . th dport @SET accept`, with a destination where the set has one.
pub(super) fn accept_members(writer: &mut Writer, set: Set, id: u32) {
    /// Where the kernel's number of the family and a header's source, destination and their length are.
    const V4: (u8, u32, u32, u32) = (2, 12, 16, 4);
    const V6: (u8, u32, u32, u32) = (10, 8, 24, 16);
    let (family, source, destination, length) = if set.is_v6() { V6 } else { V4 };
    meta(writer, META_NFPROTO, 1);
    compare(writer, EQUAL, &[family]);
    payload(writer, NETWORK_HEADER, source, length, register(0));
    let mut offset = length;
    if set.has_destination() {
        payload(writer, NETWORK_HEADER, destination, length, register(offset));
        offset += length;
    }
    meta(writer, META_L4PROTO, register(offset));
    payload(writer, TRANSPORT_HEADER, 2, 2, register(offset + 4));
    expression(writer, "lookup", |writer| {
        writer.u32(2, register(0));
        writer.text(1, set.name());
        writer.u32(4, id);
    });
    verdict(writer, ACCEPT, None);
}

/// `tcp dport PORT reject with tcp reset`, or for UDP `reject with icmpx port-unreachable`: what a
/// port without a listener answers.
pub(super) fn reject(writer: &mut Writer, port: Port) {
    meta(writer, META_L4PROTO, 1);
    compare(writer, EQUAL, &[port.proto.number()]);
    payload(writer, TRANSPORT_HEADER, 2, 2, 1);
    compare(writer, EQUAL, &port.number.get().to_be_bytes());
    let (kind, code) = match port.proto {
        Proto::Tcp => REJECT_TCP_RESET,
        Proto::Udp => REJECT_PORT_UNREACHABLE,
    };
    expression(writer, "reject", |writer| {
        writer.u32(1, kind);
        writer.attribute(2, &[code]);
    });
}
