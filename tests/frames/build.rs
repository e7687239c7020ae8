//! Builds frames byte by byte, from the RFCs and not from the program's own constants.

use spa_knockd::capture::link::LinkType;

/// The port that every built UDP or TCP message is sent to, unless a test says otherwise.
pub(crate) const PORT: u16 = 62201;

pub(crate) fn udp_to(port: u16, payload: usize) -> Vec<u8> {
    udp_claiming(port, u16::try_from(payload + 8).unwrap(), payload)
}

pub(crate) fn udp(payload: usize) -> Vec<u8> {
    udp_to(PORT, payload)
}

/// A UDP datagram whose length field says `length`.
pub(crate) fn udp_claiming(port: u16, length: u16, payload: usize) -> Vec<u8> {
    let mut bytes = 40000_u16.to_be_bytes().to_vec();
    bytes.extend(port.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend([0xbe, 0xef]);
    bytes.extend(vec![b'A'; payload]);
    bytes
}

/// A TCP SYN segment with `words` 32-bit words of options.
pub(crate) fn tcp(words: u8, payload: usize) -> Vec<u8> {
    let mut bytes = 40000_u16.to_be_bytes().to_vec();
    bytes.extend(PORT.to_be_bytes());
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 0, (5 + words) << 4, 0x02, 0x7f, 0xff, 0, 0, 0, 0]);
    bytes.extend(vec![1; usize::from(words) * 4]);
    bytes.extend(vec![b'A'; payload]);
    bytes
}

pub(crate) fn icmp(kind: u8, payload: usize) -> Vec<u8> {
    let mut bytes = vec![kind, 0, 0, 0, 0, 1, 0, 1];
    bytes.extend(vec![b'A'; payload]);
    bytes
}

/// From 192.0.2.1 to 198.51.100.2, with words of options and a flags-and-offset field.
pub(crate) fn ipv4_with(protocol: u8, options: u8, fragment: u16, body: &[u8]) -> Vec<u8> {
    let header = 20 + usize::from(options) * 4;
    let total = u16::try_from(header + body.len()).unwrap();
    let mut bytes = vec![0x45 + options, 0];
    bytes.extend(total.to_be_bytes());
    bytes.extend([0x12, 0x34]);
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([64, protocol, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2]);
    bytes.extend(vec![1; header - 20]);
    bytes.extend(body);
    bytes
}

pub(crate) fn ipv4(protocol: u8, body: &[u8]) -> Vec<u8> {
    ipv4_with(protocol, 0, 0x4000, body)
}

/// From `2001:db8::1` to `2001:db8::2`.
pub(crate) fn ipv6(next: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend([next, 64]);
    for last in [1, 2] {
        bytes.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    bytes.extend(body);
    bytes
}

/// An IPv6 packet with extension headers of these numbers before the last one.
pub(crate) fn ipv6_chain(headers: &[u8], last: u8, body: &[u8]) -> Vec<u8> {
    let mut chain = Vec::new();
    for (position, number) in headers.iter().enumerate() {
        chain.push(headers.get(position + 1).copied().unwrap_or(last));
        match number {
            51 => {
                chain.push(4);
                chain.extend([0; 22]);
            }
            44 => chain.extend([0; 7]),
            _ => {
                chain.push(1);
                chain.extend([0; 14]);
            }
        }
    }
    chain.extend(body);
    ipv6(headers.first().copied().unwrap_or(last), &chain)
}

/// Puts an IP packet into a frame.
pub(crate) type Wrap = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// One way to put an IP packet into a frame.
pub(crate) struct Envelope {
    pub(crate) name: String,
    pub(crate) link: LinkType,
    pub(crate) wrap: Wrap,
}

fn is_v6(packet: &[u8]) -> bool {
    packet[0] >> 4 == 6
}

fn ethertype(packet: &[u8]) -> [u8; 2] {
    if is_v6(packet) { [0x86, 0xdd] } else { [0x08, 0x00] }
}

fn ppp(compressed: bool, packet: &[u8]) -> Vec<u8> {
    let number = if is_v6(packet) { 0x57 } else { 0x21 };
    let mut bytes = if compressed { vec![number] } else { vec![0, number] };
    bytes.extend(packet);
    bytes
}

fn pppoe(compressed: bool, packet: &[u8]) -> Vec<u8> {
    let frame = ppp(compressed, packet);
    let mut bytes = vec![0x11, 0, 0x00, 0x2a];
    bytes.extend(u16::try_from(frame.len()).unwrap().to_be_bytes());
    bytes.extend(frame);
    bytes
}

/// What follows the link header: tags, then the packet, perhaps in a PPPoE session. The first two bytes are the
/// `EtherType` that the link header holds.
fn typed(tags: &[u16], session: Option<bool>, packet: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (last, body) = match session {
        Some(compressed) => ([0x88, 0x64], pppoe(compressed, packet)),
        None => (ethertype(packet), packet.to_vec()),
    };
    let mut types: Vec<[u8; 2]> = tags.iter().map(|tag| tag.to_be_bytes()).collect();
    types.push(last);
    let mut rest = Vec::new();
    for kind in &types[1..] {
        rest.extend([0x60, 0x07]);
        rest.extend(kind);
    }
    rest.extend(body);
    (types[0].to_vec(), rest)
}

fn ethernet(tags: &[u16], session: Option<bool>, trailer: usize, packet: &[u8]) -> Vec<u8> {
    let (kind, rest) = typed(tags, session, packet);
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    bytes.extend(kind);
    bytes.extend(rest);
    bytes.extend(vec![0xee; trailer]);
    bytes
}

/// `packet_type` 0 is "to us", 4 is "sent by us".
pub(crate) fn sll(packet_type: u8, tags: &[u16], packet: &[u8]) -> Vec<u8> {
    let (kind, rest) = typed(tags, None, packet);
    let mut bytes = vec![0, packet_type, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend(kind);
    bytes.extend(rest);
    bytes
}

pub(crate) fn sll2(packet_type: u8, tags: &[u16], packet: &[u8]) -> Vec<u8> {
    let (mut bytes, rest) = typed(tags, None, packet);
    bytes.extend([0, 0, 0, 0, 0, 7, 2, 0, packet_type, 6, 2, 0, 0, 0, 0, 1, 0, 0]);
    bytes.extend(rest);
    bytes
}

/// Every envelope that must be opened.
pub(crate) fn envelopes() -> Vec<Envelope> {
    let mut all = Vec::new();
    let mut add = |name: String, link, wrap: Wrap| all.push(Envelope { name, link, wrap });
    let tags: [&'static [u16]; 6] =
        [&[], &[0x8100], &[0x9100], &[0x88a8, 0x8100], &[0x8100, 0x8100], &[0x88a8, 0x9100, 0x8100]];
    for tags in tags {
        for session in [None, Some(false), Some(true)] {
            for trailer in [0, 4] {
                add(
                    format!("ethernet, tags {tags:x?}, session {session:?}, trailer {trailer}"),
                    LinkType::Ethernet,
                    Box::new(move |packet| ethernet(tags, session, trailer, packet)),
                );
            }
        }
        add(format!("sll, tags {tags:x?}"), LinkType::LinuxSll, Box::new(move |packet| sll(0, tags, packet)));
        add(format!("sll2, tags {tags:x?}"), LinkType::LinuxSll2, Box::new(move |packet| sll2(0, tags, packet)));
    }
    add("raw".to_owned(), LinkType::Raw, Box::new(<[u8]>::to_vec));
    for compressed in [false, true] {
        add(format!("ppp, {compressed}"), LinkType::Ppp, Box::new(move |packet| ppp(compressed, packet)));
        add(
            format!("ppp with address, {compressed}"),
            LinkType::Ppp,
            Box::new(move |packet| [vec![0xff, 0x03], ppp(compressed, packet)].concat()),
        );
        add(format!("pppoe, {compressed}"), LinkType::PppEther, Box::new(move |packet| pppoe(compressed, packet)));
    }
    for family in [10_u32, 24, 28, 30] {
        for (order, link) in [(true, LinkType::Null), (false, LinkType::Null), (true, LinkType::Loop)] {
            add(
                format!("{link:?}, {family}, big endian {order}"),
                link,
                Box::new(move |packet| {
                    let family = if is_v6(packet) { family } else { 2 };
                    let header = if order { family.to_be_bytes() } else { family.to_le_bytes() };
                    [&header, packet].concat()
                }),
            );
        }
    }
    all
}
