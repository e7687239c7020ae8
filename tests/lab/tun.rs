//! A device of the router at whose other end the test stands: what it writes arrives there as an IP packet.
#![allow(unsafe_code, reason = "the kernel makes such devices by ioctl alone")]

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};

use rustix::ioctl::{IntegerSetter, Opcode, Setter, ioctl};

use super::{Lab, Place};

/// `TUNSETIFF` and `TUNSETLINK` of `linux/if_tun.h`.
const SET_DEVICE: Opcode = 0x4004_54ca;
const SET_KIND: Opcode = 0x4004_54cd;
/// `IFF_TUN` and `IFF_NO_PI`: bare IP packets.
const FLAGS: u16 = 0x1001;
/// Where `struct ifreq` has the flags, and how long it is.
const FLAGS_AT: usize = 16;
const REQUEST: usize = 40;

/// The far end; the device goes with it.
pub(crate) struct Tun {
    end: File,
}

impl Lab {
    /// Makes the device in the router; it is down.
    pub(crate) fn tun(&self, name: &str) -> Tun {
        let mut request = [0_u8; REQUEST];
        request[..name.len()].copy_from_slice(name.as_bytes());
        request[FLAGS_AT..FLAGS_AT + 2].copy_from_slice(&FLAGS.to_ne_bytes());
        let end = self.within(Place::Router, || {
            let end = OpenOptions::new().read(true).write(true).open("/dev/net/tun").expect("open /dev/net/tun");
            // SAFETY: TUNSETIFF reads a struct ifreq, which the array is as long as.
            unsafe { ioctl(&end, Setter::<SET_DEVICE, _>::new(request)) }.expect("make the device");
            end
        });
        Tun { end }
    }
}

impl Tun {
    /// Gives the device, which is down, another `ARPHRD_` type in place.
    pub(crate) fn set_kind(&self, kind: u16) {
        // SAFETY: TUNSETLINK takes a number.
        unsafe { ioctl(&self.end, IntegerSetter::<SET_KIND>::new_usize(kind.into())) }.expect("change the type");
    }

    /// Lets one UDP datagram arrive.
    pub(crate) fn send(&mut self, from: Ipv4Addr, to: SocketAddrV4, payload: &[u8]) {
        let short = |length: usize| u16::try_from(length).expect("a short packet").to_be_bytes();
        let mut packet = vec![0x45, 0];
        packet.extend(short(28 + payload.len()));
        packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
        packet.extend(from.octets());
        packet.extend(to.ip().octets());
        let sum: u32 = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        let folded = u16::try_from((sum & 0xffff) + (sum >> 16)).expect("two carries at most");
        packet[10..12].copy_from_slice(&(!folded).to_be_bytes());
        packet.extend(4000_u16.to_be_bytes());
        packet.extend(to.port().to_be_bytes());
        packet.extend(short(8 + payload.len()));
        packet.extend([0, 0]);
        packet.extend(payload);
        let sent = self.end.write(&packet).expect("write to the device");
        assert_eq!(sent, packet.len(), "the packet was cut");
    }
}
