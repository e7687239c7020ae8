//! The filter's program at work: on a machine of ours that does what `Documentation/networking/filter.rst` of Linux says, and
//! in the kernel that runs these tests.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;

use socket2::{SockFilter, SockRef};
use spa_knockd::capture::Instruction;
use spa_knockd::capture::link::LinkType;

/// What the kernel shows a program of a frame.
#[derive(Debug)]
pub(crate) struct View<'a> {
    bytes: &'a [u8],
    protocol: u16,
    packet_type: u8,
}

/// A frame as a capture gives it, as the kernel sees it: without the header that cooked captures make up themselves.
///
/// `None` where that header is not whole, which it always is.
pub(crate) fn view(link: LinkType, frame: &[u8]) -> Option<View<'_>> {
    match link {
        LinkType::LinuxSll => {
            let (header, bytes) = frame.split_first_chunk::<16>()?;
            Some(View { bytes, protocol: u16::from_be_bytes([header[14], header[15]]), packet_type: header[1] })
        }
        LinkType::LinuxSll2 => {
            let (header, bytes) = frame.split_first_chunk::<20>()?;
            Some(View { bytes, protocol: u16::from_be_bytes([header[0], header[1]]), packet_type: header[10] })
        }
        _ => Some(View { bytes: frame, protocol: 0, packet_type: 0 }),
    }
}

/// How many bytes of a frame the program keeps.
pub(crate) fn run(program: &[Instruction], view: &View<'_>) -> u32 {
    let (mut a, mut x, mut memory) = (0_u32, 0_u32, [None; 16]);
    let load = |at: u32, size: usize| {
        let number = match at {
            0xffff_f000 => u32::from(view.protocol),
            0xffff_f004 => u32::from(view.packet_type),
            at => {
                let at = usize::try_from(at).unwrap();
                view.bytes.get(at..at + size)?.iter().fold(0, |sum, byte| (sum << 8) + u32::from(*byte))
            }
        };
        Some(number)
    };
    let word = |k: u32| usize::try_from(k).unwrap();
    let mut at = 0;
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let mut jump = |holds: bool| at += usize::from(if holds { jt } else { jf });
        let size = match code & 0x18 {
            0x00 => 4,
            0x08 => 2,
            _ => 1,
        };
        match code {
            0x20 | 0x28 | 0x30 | 0x40 | 0x48 | 0x50 => match load(if code < 0x40 { k } else { x + k }, size) {
                Some(number) => a = number,
                None => return 0,
            },
            0x60 => a = memory[word(k)].unwrap(),
            0x61 => x = memory[word(k)].unwrap(),
            0x02 => memory[word(k)] = Some(a),
            0x01 => x = k,
            0x07 => x = a,
            0x87 => a = x,
            0x04 => a = a.wrapping_add(k),
            0x0c => a = a.wrapping_add(x),
            0x14 => a = a.wrapping_sub(k),
            0x1c => a = a.wrapping_sub(x),
            0x54 => a &= k,
            0x64 => a <<= k,
            0x74 => a >>= k,
            0x05 => at += word(k),
            0x15 => jump(a == k),
            0x25 => jump(a > k),
            0x35 => jump(a >= k),
            0x45 => jump(a & k != 0),
            0x06 => return k,
            code => panic!("an instruction that this machine has not: {code:#x}"),
        }
    }
}

/// A pair of sockets whose receiving end has the program on.
pub(crate) struct Kernel {
    from: UnixDatagram,
    to: UnixDatagram,
}

impl Kernel {
    pub(crate) fn new(program: &[Instruction]) -> Self {
        let (from, to) = UnixDatagram::pair().unwrap();
        let program: Vec<_> = program.iter().map(|step| SockFilter::new(step.code, step.jt, step.jf, step.k)).collect();
        SockRef::from(&to).attach_filter(&program).unwrap();
        to.set_nonblocking(true).unwrap();
        Self { from, to }
    }

    /// How many bytes of the frame the kernel keeps.
    pub(crate) fn run(&self, frame: &[u8]) -> usize {
        self.from.send(frame).unwrap();
        let mut kept = [0; 4096];
        match self.to.recv(&mut kept) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        }
    }
}
