//! What one expression of a rule does to a stranger's packet.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::num::NonZeroU16;

use super::bits::{Cell, Origin, Registers, Truth, bytes, compares, equals, within};
use super::elements::{Data, Name, Sets};
use super::iptables::Extension;
use super::numbers::{INET, IPV4, IPV6, attr as own, ct, entry, header, meta, verdict};
use super::packet::{Field, Packet};
use super::ruleset::{Chain, number, text};
use crate::firewall::numbers::attr;
use crate::firewall::wire::Attributes;

/// The longest value that a register run holds.
const VALUE_MAX: usize = 64;
/// Bits of the smallest whole: a byte of a mask.
const ALL: u8 = u8::MAX;
/// The attribute of a translation's family.
const NAT_FAMILY: u16 = 2;
/// The type of destination NAT.
const DESTINATION_NAT: u32 = 1;
/// The result goes into the verdict register.
const VERDICT_REGISTER: u32 = 0;

/// What comes of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The rule goes on as far as this holds.
    Test(Truth),
    /// The rule ends with this code, and perhaps another chain.
    Verdict(u32, Option<Box<str>>),
    /// The packet gets another destination; what is absent stays as it is.
    Translate(Target),
    /// The packet gets another destination, and nobody can tell which.
    Led,
    /// The rule ends; what then becomes of the packet nobody can tell.
    Opaque,
}

/// Where a translation leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// To which address; the router's own where it is a redirect.
    pub(super) address: Address,
    pub(super) port: Option<NonZeroU16>,
}

/// The address of a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Same,
    Own,
    To(IpAddr),
}

/// The registers while a rule is evaluated, and whether it has looked at the port.
pub(super) struct Frame<'a> {
    pub(super) registers: Registers,
    pub(super) chain: &'a Chain,
    pub(super) tests_port: bool,
    /// Whether it has an extension of iptables-nft that is not understood.
    pub(super) is_foreign: bool,
}

impl<'a> Frame<'a> {
    pub(super) fn new(chain: &'a Chain) -> Self {
        Self { registers: Registers::new(), chain, tests_port: false, is_foreign: false }
    }

    /// Evaluates one entry of a rule's list.
    pub(super) fn step(&mut self, item: Attributes<'_>, packet: &mut Packet<'_>, sets: &mut Sets<'_>) -> Effect {
        let name = item.text(entry::NAME).unwrap_or_default();
        let data = item.nest(entry::DATA).unwrap_or(Attributes(&[]));
        let get = |kind| number(data, kind);
        let effect = match name {
            b"meta" => self.meta(data, packet),
            b"ct" => self.ct(data, packet),
            b"payload" => self.payload(data, packet),
            b"fib" => get(1).map(|to| self.load(to, &packet.fib(get(2).unwrap_or(0), get(3).unwrap_or(0)))),
            b"immediate" => self.immediate(data),
            b"cmp" => self.cmp(data),
            b"range" => self.range(data),
            b"bitwise" => self.bitwise(data),
            b"byteorder" => self.byteorder(data),
            b"lookup" => self.lookup(data, sets),
            b"nat" => self.nat(data, packet.v6),
            b"redir" => {
                let port = get(1).map(|register| self.port(register));
                Some(match port {
                    Some(None) => Effect::Led,
                    port => Effect::Translate(Target { address: Address::Own, port: port.flatten() }),
                })
            }
            b"reject" => Some(Effect::Verdict(verdict::DROP, None)),
            // Whoever reads the queue may let it pass.
            b"queue" => Some(Effect::Verdict(verdict::ACCEPT, None)),
            b"notrack" => {
                packet.tracked = false;
                Some(Effect::Test(Truth::Yes))
            }
            b"limit" => Some(limited(get(5))),
            b"connlimit" | b"quota" => Some(limited(get(2))),
            b"dynset" => Some(dynamic(data)),
            b"counter" | b"log" | b"last" | b"dup" | b"objref" | b"flow_offload" | b"tproxy" => {
                Some(Effect::Test(Truth::Yes))
            }
            b"socket" | b"osf" | b"numgen" | b"hash" | b"rt" | b"xfrm" | b"tunnel" | b"exthdr" => {
                self.registers.forget(Origin::Differs);
                Some(Effect::Test(Truth::Unknown(Origin::Differs)))
            }
            b"match" => {
                let extension = extension(data);
                self.tests_port |= extension.tests_port();
                let holds = extension.holds(packet);
                self.is_foreign |= holds.is_none();
                holds.map(Effect::Test)
            }
            b"target" => {
                let acts = extension(data).acts(packet);
                self.is_foreign |= matches!(acts, None | Some(Effect::Led));
                Some(acts.unwrap_or(Effect::Opaque))
            }
            _ => None,
        };
        effect.unwrap_or_else(|| {
            self.registers.forget(Origin::Opaque);
            Effect::Test(Truth::Unknown(Origin::Opaque))
        })
    }

    fn load(&mut self, register: u32, field: &Field) -> Effect {
        self.registers.set(register, field.len(), |at| field.get(at).copied().unwrap_or(Cell::known(0)));
        Effect::Test(Truth::Yes)
    }

    fn meta(&mut self, data: Attributes<'_>, packet: &mut Packet<'_>) -> Option<Effect> {
        let key = number(data, 2)?;
        if let Some(from) = number(data, 3) {
            if key == meta::MARK {
                packet.mark = *self.registers.get(from, 4)?.first_chunk()?;
            }
            return Some(Effect::Test(Truth::Yes));
        }
        Some(self.load(number(data, 1)?, &packet.meta(key)))
    }

    fn ct(&mut self, data: Attributes<'_>, packet: &mut Packet<'_>) -> Option<Effect> {
        let key = number(data, 2)?;
        if let Some(from) = number(data, 4) {
            if key == ct::MARK {
                packet.ct_mark = *self.registers.get(from, 4)?.first_chunk()?;
            }
            return Some(Effect::Test(Truth::Yes));
        }
        let reply = data.get(3).is_some_and(|direction| direction.first() == Some(&1));
        self.tests_port |= key == ct::DESTINATION_PORT;
        Some(self.load(number(data, 1)?, &packet.ct(key, reply)))
    }

    fn payload(&mut self, data: Attributes<'_>, packet: &Packet<'_>) -> Option<Effect> {
        if number(data, 5).is_some() {
            return Some(Effect::Test(Truth::Yes));
        }
        let (base, offset) = (number(data, 2)?, usize::try_from(number(data, 3)?).ok()?);
        let length = usize::try_from(number(data, 4)?).ok()?;
        self.tests_port |= base == header::TRANSPORT && offset <= 2 && offset.saturating_add(length) > 2;
        Some(self.load(number(data, 1)?, &packet.payload(base, offset, length)))
    }

    fn immediate(&mut self, data: Attributes<'_>) -> Option<Effect> {
        let (register, value) = (number(data, 1)?, data.nest(2)?);
        if register == VERDICT_REGISTER {
            let verdict = value.nest(own::DATA_VERDICT)?;
            return Some(Effect::Verdict(number(verdict, own::VERDICT_CODE)?, text(verdict, own::VERDICT_CHAIN)));
        }
        let field: Field = value.get(attr::DATA_VALUE)?.iter().map(|&byte| Cell::known(byte)).collect();
        Some(self.load(register, &field))
    }

    fn cmp(&mut self, data: Attributes<'_>) -> Option<Effect> {
        let value = data.nest(3)?.get(attr::DATA_VALUE)?;
        let cells = self.registers.get(number(data, 1)?, value.len())?;
        Some(Effect::Test(match number(data, 2)? {
            0 => equals(cells, value),
            1 => equals(cells, value).negated(),
            2 => compares(cells, value, Ordering::is_lt),
            3 => compares(cells, value, Ordering::is_le),
            4 => compares(cells, value, Ordering::is_gt),
            5 => compares(cells, value, Ordering::is_ge),
            _ => return None,
        }))
    }

    fn range(&mut self, data: Attributes<'_>) -> Option<Effect> {
        let value = |kind| data.nest(kind)?.get(attr::DATA_VALUE);
        let (from, to) = (value(3)?, value(4)?);
        let holds = within(self.registers.get(number(data, 1)?, from.len())?, from, to);
        Some(Effect::Test(if number(data, 2)? == 0 { holds } else { holds.negated() }))
    }

    /// Masks bits out and flips others; what is shifted is not known.
    fn bitwise(&mut self, data: Attributes<'_>) -> Option<Effect> {
        let (from, to, length) = (number(data, 1)?, number(data, 2)?, usize::try_from(number(data, 3)?).ok()?);
        let value = |kind| data.nest(kind)?.get(attr::DATA_VALUE);
        if length > VALUE_MAX || number(data, 6).unwrap_or_default() != 0 {
            return None;
        }
        let (mask, flip) = (value(4)?, value(5)?);
        self.registers.change(from, to, length, |at, old| {
            let (Some(old), Some(&mask), Some(&flip)) = (old.get(at), mask.get(at), flip.get(at)) else {
                return Cell::unknown(Origin::Opaque);
            };
            Cell { value: (old.value & mask) ^ flip, known: old.known | (ALL ^ mask), origin: old.origin }
        });
        Some(Effect::Test(Truth::Yes))
    }

    /// Turns numbers from the CPU's order into the network's, or back, which is the same.
    fn byteorder(&mut self, data: Attributes<'_>) -> Option<Effect> {
        let (from, to) = (number(data, 1)?, number(data, 2)?);
        let (length, size) = (usize::try_from(number(data, 4)?).ok()?, usize::try_from(number(data, 5)?).ok()?);
        if length > VALUE_MAX || size == 0 {
            return None;
        }
        // A part of a number at the end stays as it is.
        let turned = if cfg!(target_endian = "little") { length - length % size } else { 0 };
        self.registers.change(from, to, length, |at, old| {
            let at = if at < turned { at - at % size + (size - 1 - at % size) } else { at };
            old.get(at).copied().unwrap_or(Cell::unknown(Origin::Opaque))
        });
        Some(Effect::Test(Truth::Yes))
    }

    fn lookup(&mut self, data: Attributes<'_>, sets: &mut Sets<'_>) -> Option<Effect> {
        let from = number(data, 2)?;
        let name: Name = (self.chain.family, self.chain.table.clone(), text(data, 1)?);
        let first = super::bits::doubt(self.registers.get(from, 1)?);
        let key = |length| self.registers.get(from, length).map(<[Cell]>::to_vec);
        let (found, element) = sets.look_up(name, key, first);
        if number(data, 5).unwrap_or_default() & 1 != 0 {
            return Some(Effect::Test(found.negated()));
        }
        match (number(data, 3), element) {
            (Some(VERDICT_REGISTER), Data::Verdict(code, chain)) => Some(Effect::Verdict(code, chain)),
            // What is not known of the key decides about all that the map has.
            (Some(_), Data::None) => match found {
                Truth::Unknown(Origin::Opaque) => Some(Effect::Opaque),
                other => Some(Effect::Test(other)),
            },
            (Some(register), Data::Value(value)) => {
                let field: Field = value.iter().map(|&byte| Cell::known(byte)).collect();
                Some(self.load(register, &field))
            }
            _ => Some(Effect::Test(found)),
        }
    }

    fn nat(&mut self, data: Attributes<'_>, v6: bool) -> Option<Effect> {
        // In a table of both families, the kernel goes on without it where the packet is of the other one.
        let family = number(data, NAT_FAMILY)?;
        if family != u32::from(INET) && family != u32::from(if v6 { IPV6 } else { IPV4 }) {
            return Some(Effect::Test(Truth::Yes));
        }
        if number(data, 1)? != DESTINATION_NAT {
            return Some(Effect::Verdict(verdict::ACCEPT, None));
        }
        let address = match number(data, 3) {
            None => Address::Same,
            Some(register) => {
                let octets = bytes(self.registers.get(register, if v6 { 16 } else { 4 })?);
                match octets.as_deref().and_then(address) {
                    Some(address) => Address::To(address),
                    None => return Some(Effect::Led),
                }
            }
        };
        let port = match number(data, 5) {
            None => None,
            Some(register) => match self.port(register) {
                Some(port) => Some(port),
                None => return Some(Effect::Led),
            },
        };
        Some(Effect::Translate(Target { address, port }))
    }

    fn port(&self, register: u32) -> Option<NonZeroU16> {
        let octets = bytes(self.registers.get(register, 2)?)?;
        NonZeroU16::new(u16::from_be_bytes(*octets.first_chunk()?))
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => Some(IpAddr::from(*octets.first_chunk::<4>()?)),
        _ => Some(IpAddr::from(*octets.first_chunk::<16>()?)),
    }
}

/// A rate does not close a port; what is beyond it concerns some packets only.
fn limited(flags: Option<u32>) -> Effect {
    let over = flags.unwrap_or_default() & 1 != 0;
    Effect::Test(if over { Truth::Unknown(Origin::Differs) } else { Truth::Yes })
}

/// Puts the packet into a set, perhaps with a rate for each of its elements.
fn dynamic(data: Attributes<'_>) -> Effect {
    let one = data.nest(7).into_iter();
    let many = data.nest(10).into_iter().flatten().map(|(_, item)| Attributes(item));
    let inner = one.chain(many).find_map(|item| {
        let flags = match item.text(entry::NAME)? {
            b"limit" => 5,
            b"connlimit" | b"quota" => 2,
            _ => return None,
        };
        Some(limited(item.nest(entry::DATA).and_then(|data| number(data, flags))))
    });
    inner.unwrap_or(Effect::Test(Truth::Yes))
}

/// An extension of iptables'.
pub(super) fn extension(data: Attributes<'_>) -> Extension<'_> {
    Extension {
        name: data.text(1).unwrap_or_default(),
        revision: number(data, 2).unwrap_or_default(),
        info: data.get(3).unwrap_or_default(),
    }
}
