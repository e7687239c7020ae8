//! Frames from the wire become datagrams: link layers, IPv4 and IPv6, transports, and what the kernel lets through.

mod bytes;
pub mod filter;
mod ip;
pub mod link;
pub mod live;
mod program;
pub mod savefile;
mod transport;

pub use program::Instruction;

use std::net::IpAddr;

/// musl's `timeval` has 16 bytes on 32-bit machines, too, and libpcap writes it into each packet's header: a `libc` crate that
/// was not told so (see `cross/env`) would have every length read from the wrong place, without an error.
#[cfg(all(target_env = "musl", target_pointer_width = "32"))]
const _: () = assert!(size_of::<pcap::PacketHeader>() == 24, "RUSTFLAGS lacks --cfg=libc_unstable_musl_v1_2");

/// The transports that can carry a knock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// One UDP datagram.
    Udp,
    /// One TCP segment, whatever its flags.
    Tcp,
    /// One ICMP message.
    Icmp,
}

/// What a frame carried: the addresses, the ports and the bytes above the transport header.
///
/// Nothing in it is trusted beyond its bounds: anybody can write any source address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The IP source address.
    pub source: IpAddr,
    /// The IP destination address, of the same family.
    pub destination: IpAddr,
    /// The transport protocol.
    pub transport: Transport,
    /// The source port; 0 for ICMP.
    pub source_port: u16,
    /// The destination port; 0 for ICMP.
    pub destination_port: u16,
    /// The payload, its length taken from the IP and transport headers.
    pub payload: &'a [u8],
}
