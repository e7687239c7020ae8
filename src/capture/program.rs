//! The kernel's part of the filter: a program for its packet filter (classic BPF), made anew for each capture.
//!
//! The link layer's part finds out where the IP packet begins and leaves that in register X, so that one judge of IPv4 and
//! one of IPv6 serve every dress; both leave in X where the message of the transport begins. Three rules of the kernel
//! shape all of it: jumps lead forward only, those with a condition over 255 instructions at most, and a load behind the
//! end of a frame drops the frame.

use std::ops::RangeInclusive;

use super::filter::PAYLOAD;
use super::ip::{extension, v4, v6};
use super::link::{self, LinkType, ethertype, family, ppp, pppoe};
use super::transport::{DESTINATION_PORT, ICMP_HEADER, protocol, tcp, udp};
use crate::limits::VLAN_TAGS_MAX;

/// Bytes kept of a frame: the longest knock in UDP, with every header at its longest, needs 1606, and extension
/// headers get the rest. A slot of the ring is then below 2048 bytes, so that two share a page.
pub(super) const KEPT: u16 = 1900;

/// One instruction, as `struct sock_filter` of `linux/filter.h` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What is done, and with what.
    pub code: u16,
    /// How many instructions are left out where the test holds.
    pub jt: u8,
    /// How many instructions are left out where it does not.
    pub jf: u8,
    /// The number that this is about: an offset, an operand, a distance.
    pub k: u32,
}

/// Operations (`linux/bpf_common.h`), each the sum of its class, its size or kind, and its source.
mod op {
    /// Loads of one, two and four bytes at an offset of the frame.
    pub(super) const BYTE: u16 = 0x30;
    pub(super) const HALF: u16 = 0x28;
    pub(super) const WORD: u16 = 0x20;
    /// The same at an offset from X.
    pub(super) const BYTE_X: u16 = 0x50;
    pub(super) const HALF_X: u16 = 0x48;
    /// Memory to A and to X, A to memory.
    pub(super) const LOAD: u16 = 0x60;
    pub(super) const LOAD_X: u16 = 0x61;
    pub(super) const STORE: u16 = 0x02;
    /// A number to X.
    pub(super) const SET_X: u16 = 0x01;
    pub(super) const A_TO_X: u16 = 0x07;
    pub(super) const X_TO_A: u16 = 0x87;
    /// Sums and the like with a number, and with X.
    pub(super) const ADD: u16 = 0x04;
    pub(super) const SUB: u16 = 0x14;
    pub(super) const AND: u16 = 0x54;
    pub(super) const SHIFT_LEFT: u16 = 0x64;
    pub(super) const SHIFT_RIGHT: u16 = 0x74;
    pub(super) const ADD_X: u16 = 0x0c;
    pub(super) const SUB_X: u16 = 0x1c;
    /// Jumps: always, and where A is equal, greater, not less, or has one of the bits.
    pub(super) const JUMP: u16 = 0x05;
    pub(super) const EQUAL: u16 = 0x15;
    pub(super) const ABOVE: u16 = 0x25;
    pub(super) const AT_LEAST: u16 = 0x35;
    pub(super) const ANY_BIT: u16 = 0x45;
    /// The end: how many bytes of the frame are kept.
    pub(super) const RETURN: u16 = 0x06;
}

/// What the kernel knows of a frame besides its bytes, by the offsets that stand for it (`SKF_AD_OFF` and more).
mod known {
    /// The `EtherType`, after a tag that was taken off.
    pub(super) const PROTOCOL: u32 = 0xffff_f000;
    /// Who sent it to whom.
    pub(super) const PACKET_TYPE: u32 = 0xffff_f004;
}

/// Words of the program's memory.
mod memory {
    /// The number of the transport protocol.
    pub(super) const NUMBER: u32 = 0;
    /// Bytes of the IP packet behind its header.
    pub(super) const LENGTH: u32 = 1;
    /// Bytes of the IPv4 header.
    pub(super) const HEADER: u32 = 2;
    /// Where the transport's message begins.
    pub(super) const MESSAGE: u32 = 3;
}

/// Parts of the program that others lead to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Session,
    Ppp,
    Ipv4,
    Ipv6,
    Extension,
    Behind,
    Message,
    Udp,
    Tcp,
    Port,
    Payload,
}

/// What the program must tell apart.
pub(super) struct Wanted<'a> {
    /// Sorted ranges.
    pub(super) udp: &'a [RangeInclusive<u16>],
    /// Sorted ranges.
    pub(super) tcp: &'a [RangeInclusive<u16>],
    pub(super) icmp: bool,
}

/// The program for frames as the kernel shows them to a capture of this link type.
///
/// A cooked capture begins with what follows the link layer's header, which is not there when the kernel judges. A tag that
/// the network card or the kernel has taken off is not missed: the frame looks untagged then.
pub(super) fn program(link: LinkType, wanted: &Wanted<'_>) -> Vec<Instruction> {
    let mut writer = Writer::default();
    if wanted.udp.is_empty() && wanted.tcp.is_empty() && !wanted.icmp {
        writer.put(op::RETURN, 0);
        return writer.code;
    }
    writer.put(op::BYTE, known::PACKET_TYPE);
    writer.refuse(op::EQUAL, u32::from(link::SENT_BY_US));
    writer.link(link);
    writer.session();
    writer.ipv4(wanted);
    writer.ipv6(wanted);
    writer.message(wanted);
    writer.code
}

/// Writes instructions one behind the other, and fills in the distances of jumps once it gets where they lead.
#[derive(Default)]
struct Writer {
    code: Vec<Instruction>,
    open: Vec<(usize, Part)>,
}

impl Writer {
    fn put(&mut self, code: u16, k: u32) {
        self.test(code, k, 0, 0);
    }

    fn test(&mut self, code: u16, k: u32, jt: u8, jf: u8) {
        self.code.push(Instruction { code, jt, jf, k });
    }

    /// Drops the frame unless the test holds.
    fn require(&mut self, test: u16, k: u32) {
        self.test(test, k, 1, 0);
        self.put(op::RETURN, 0);
    }

    /// Drops the frame if the test holds.
    fn refuse(&mut self, test: u16, k: u32) {
        self.test(test, k, 0, 1);
        self.put(op::RETURN, 0);
    }

    fn go(&mut self, part: Part) {
        self.open.push((self.code.len(), part));
        self.put(op::JUMP, 0);
    }

    /// Goes on there if A is this number.
    fn go_if(&mut self, number: u32, part: Part) {
        self.test(op::EQUAL, number, 0, 1);
        self.go(part);
    }

    /// Begins a part, and says whether anything led to it.
    fn begin(&mut self, part: Part) -> bool {
        let here = self.code.len();
        let before = self.open.len();
        for (at, _) in self.open.extract_if(.., |(_, open)| *open == part) {
            if let Some(jump) = self.code.get_mut(at) {
                jump.k = number(here - at - 1);
            }
        }
        self.open.len() < before
    }

    /// Moves X on by so many bytes; A is lost.
    fn advance(&mut self, bytes: usize) {
        self.put(op::X_TO_A, 0);
        self.put(op::ADD, number(bytes));
        self.put(op::A_TO_X, 0);
    }

    fn link(&mut self, link: LinkType) {
        match link {
            LinkType::Ethernet => {
                self.put(op::HALF, number(link::ETHERNET.ethertype));
                self.typed(link::ETHERNET.header);
            }
            LinkType::LinuxSll | LinkType::LinuxSll2 => {
                self.put(op::HALF, known::PROTOCOL);
                self.typed(0);
            }
            LinkType::Raw => {
                self.put(op::BYTE, number(v4::VERSION));
                self.put(op::AND, 0xf0);
                self.go_if(0x40, Part::Ipv4);
                self.go_if(0x60, Part::Ipv6);
                self.put(op::RETURN, 0);
            }
            LinkType::Ipv4 => self.go(Part::Ipv4),
            LinkType::Ipv6 => self.go(Part::Ipv6),
            LinkType::Ppp => {
                self.put(op::HALF, 0);
                self.test(op::EQUAL, u32::from(u16::from_be_bytes(ppp::ADDRESS_CONTROL)), 0, 1);
                self.put(op::SET_X, number(ppp::ADDRESS_CONTROL.len()));
                self.go(Part::Ppp);
            }
            LinkType::PppEther => self.go(Part::Session),
            LinkType::Null => self.family(&[|number| number, u32::swap_bytes]),
            LinkType::Loop => self.family(&[|number| number]),
        }
    }

    /// Up to as many tags as are understood, and then IP or a session; A is the first `EtherType`.
    fn typed(&mut self, header: usize) {
        let mut next = header;
        for tags in 0..=VLAN_TAGS_MAX {
            self.put(op::SET_X, number(next));
            self.go_if(u32::from(ethertype::IPV4), Part::Ipv4);
            self.go_if(u32::from(ethertype::IPV6), Part::Ipv6);
            self.go_if(u32::from(ethertype::PPPOE_SESSION), Part::Session);
            if tags < VLAN_TAGS_MAX {
                for (kind, over) in ethertype::TAGS.into_iter().zip([3, 2, 1]) {
                    self.test(op::EQUAL, u32::from(kind), over, 0);
                }
            }
            self.put(op::RETURN, 0);
            if tags < VLAN_TAGS_MAX {
                self.put(op::HALF, number(next + ethertype::TAG_NEXT));
            }
            next += ethertype::TAG;
        }
    }

    fn family(&mut self, orders: &[fn(u32) -> u32]) {
        self.put(op::SET_X, number(family::HEADER));
        self.put(op::WORD, 0);
        for order in orders {
            self.go_if(order(family::IPV4), Part::Ipv4);
            for number in family::IPV6 {
                self.go_if(order(number), Part::Ipv6);
            }
        }
        self.put(op::RETURN, 0);
    }

    /// A PPPoE session and the PPP in it, or PPP alone.
    fn session(&mut self) {
        if self.begin(Part::Session) {
            self.put(op::HALF_X, number(pppoe::VERSION_CODE));
            self.require(op::EQUAL, u32::from(pppoe::SESSION_DATA));
            self.advance(pppoe::HEADER);
            self.go(Part::Ppp);
        }
        if self.begin(Part::Ppp) {
            // The second byte is the number where the first is 0, which then does not count.
            self.put(op::BYTE_X, 0);
            self.test(op::EQUAL, 0, 0, 4);
            self.advance(1);
            self.put(op::BYTE_X, 0);
            self.put(op::STORE, memory::NUMBER);
            self.advance(1);
            self.put(op::LOAD, memory::NUMBER);
            self.go_if(u32::from(ppp::IPV4), Part::Ipv4);
            self.go_if(u32::from(ppp::IPV6), Part::Ipv6);
            self.put(op::RETURN, 0);
        }
    }

    /// Goes on to `part` if A is the number of a transport that is wanted; most packets of strangers end here.
    fn transports(&mut self, wanted: &Wanted<'_>, icmp: u8, part: Part) {
        let numbers =
            [(!wanted.udp.is_empty(), protocol::UDP), (!wanted.tcp.is_empty(), protocol::TCP), (wanted.icmp, icmp)];
        for (is_wanted, number) in numbers {
            if is_wanted {
                self.go_if(u32::from(number), part);
            }
        }
    }

    /// A packet at X that is no fragment; its options are stepped over.
    fn ipv4(&mut self, wanted: &Wanted<'_>) {
        if !self.begin(Part::Ipv4) {
            return;
        }
        self.put(op::BYTE_X, number(v4::PROTOCOL));
        self.transports(wanted, protocol::ICMP, Part::Behind);
        self.put(op::RETURN, 0);
        self.begin(Part::Behind);
        self.put(op::STORE, memory::NUMBER);
        self.put(op::HALF_X, number(v4::FRAGMENT));
        self.refuse(op::ANY_BIT, u32::from(v4::FRAGMENT_MASK));
        self.put(op::BYTE_X, number(v4::VERSION));
        self.require(op::AT_LEAST, 0x45);
        self.refuse(op::ABOVE, 0x4f);
        self.put(op::AND, 0x0f);
        self.put(op::SHIFT_LEFT, 2);
        self.put(op::STORE, memory::HEADER);
        self.put(op::ADD_X, 0);
        self.put(op::STORE, memory::MESSAGE);
        // A header longer than the packet makes this a huge number: BPF counts modulo 2^32.
        self.put(op::HALF_X, number(v4::TOTAL_LENGTH));
        self.put(op::LOAD_X, memory::HEADER);
        self.put(op::SUB_X, 0);
        self.put(op::STORE, memory::LENGTH);
        self.put(op::LOAD_X, memory::MESSAGE);
        self.go(Part::Message);
    }

    /// A packet at X; behind extension headers, which would need a loop, only its length is judged.
    fn ipv6(&mut self, wanted: &Wanted<'_>) {
        if !self.begin(Part::Ipv6) {
            return;
        }
        self.put(op::BYTE_X, number(v6::VERSION));
        self.put(op::AND, 0xf0);
        self.require(op::EQUAL, 0x60);
        self.put(op::BYTE_X, number(v6::NEXT_HEADER));
        self.transports(wanted, protocol::ICMPV6, Part::Behind);
        for header in extension::WALKED {
            self.go_if(u32::from(header), Part::Extension);
        }
        self.put(op::RETURN, 0);
        self.begin(Part::Extension);
        self.put(op::HALF_X, number(v6::PAYLOAD_LENGTH));
        self.require(op::AT_LEAST, number(extension::LENGTH_MIN + message_min(wanted)));
        self.put(op::RETURN, u32::from(KEPT));
        self.begin(Part::Behind);
        self.put(op::STORE, memory::NUMBER);
        self.put(op::HALF_X, number(v6::PAYLOAD_LENGTH));
        self.put(op::STORE, memory::LENGTH);
        self.advance(v6::HEADER);
        self.go(Part::Message);
    }

    /// A message at X of one of the transports: its port and the length of its payload.
    fn message(&mut self, wanted: &Wanted<'_>) {
        self.begin(Part::Message);
        self.put(op::LOAD, memory::NUMBER);
        if !wanted.udp.is_empty() {
            self.go_if(u32::from(protocol::UDP), Part::Udp);
        }
        if !wanted.tcp.is_empty() {
            self.go_if(u32::from(protocol::TCP), Part::Tcp);
        }
        if wanted.icmp {
            // Whichever of its two numbers it was.
            self.put(op::LOAD, memory::LENGTH);
            self.put(op::SUB, number(ICMP_HEADER));
            self.go(Part::Payload);
        }
        if self.begin(Part::Udp) {
            self.port(wanted.udp);
            self.put(op::HALF_X, number(udp::LENGTH));
            self.put(op::SUB, number(udp::HEADER));
            self.go(Part::Payload);
        }
        if self.begin(Part::Tcp) {
            self.port(wanted.tcp);
            self.put(op::BYTE_X, number(tcp::DATA_OFFSET));
            self.put(op::AND, 0xf0);
            self.put(op::SHIFT_RIGHT, 2);
            self.put(op::A_TO_X, 0);
            self.put(op::LOAD, memory::LENGTH);
            self.put(op::SUB_X, 0);
        }
        // A header longer than the message makes A a huge number here, too.
        self.begin(Part::Payload);
        self.require(op::AT_LEAST, number(*PAYLOAD.start()));
        self.refuse(op::ABOVE, number(*PAYLOAD.end()));
        self.put(op::RETURN, u32::from(KEPT));
    }

    /// Drops what is not for one of the ports.
    fn port(&mut self, ports: &[RangeInclusive<u16>]) {
        self.put(op::HALF_X, number(DESTINATION_PORT));
        for range in ports {
            self.test(op::AT_LEAST, u32::from(*range.start()), 0, 2);
            self.test(op::ABOVE, u32::from(*range.end()), 1, 0);
            self.go(Part::Port);
        }
        self.put(op::RETURN, 0);
        self.begin(Part::Port);
    }
}

/// The shortest message with a knock, header and payload.
fn message_min(wanted: &Wanted<'_>) -> usize {
    let shortest = if wanted.icmp || !wanted.udp.is_empty() { ICMP_HEADER.min(udp::HEADER) } else { tcp::HEADER_MIN };
    shortest + PAYLOAD.start()
}

/// Offsets, lengths and distances, none of which comes near this type's end.
fn number(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
