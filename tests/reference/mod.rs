//! Transactions as libnftnl writes them.
#![allow(unsafe_code, unreachable_pub, reason = "libnftnl is a C library, called here alone")]

use std::ffi::{CString, c_void};

use nftnl::nftnl_sys as sys;
use spa_knockd::firewall::{Element, Set};
use sys::libc::nlmsghdr;

const REQUEST: u16 = 1;
pub const ACK: u16 = 4;
pub const CREATE: u16 = 0x400;
pub const APPEND: u16 = 0x800;
const INET: u16 = 1;
pub const NEW_TABLE: u16 = 0;
pub const DEL_TABLE: u16 = 2;
pub const NEW_CHAIN: u16 = 3;
pub const NEW_RULE: u16 = 6;
pub const DEL_RULE: u16 = 8;
pub const NEW_SET: u16 = 9;
pub const NEW_ELEMENT: u16 = 12;
pub const DEL_ELEMENT: u16 = 14;

fn text(text: &str) -> CString {
    CString::new(text).unwrap()
}

fn attr(number: u32) -> u16 {
    number.try_into().unwrap()
}

fn length(bytes: &[u8]) -> u32 {
    bytes.len().try_into().unwrap()
}

/// A transaction as libnftnl writes it.
pub struct Reference {
    bytes: Vec<u8>,
    sequence: u32,
}

impl Reference {
    pub fn new(sequence: u32) -> Self {
        let mut reference = Self { bytes: Vec::new(), sequence };
        // SAFETY: the buffer is far larger than the message.
        reference.push(|buffer, sequence| unsafe { sys::nftnl_batch_begin(buffer.cast(), sequence) });
        reference
    }

    fn push(&mut self, build: impl FnOnce(*mut u64, u32) -> *mut nlmsghdr) {
        // Eight-byte words, because libnftnl wants an aligned buffer.
        let mut buffer = vec![0u64; 1024];
        let header = build(buffer.as_mut_ptr(), self.sequence);
        self.sequence += 1;
        // SAFETY: libnftnl wrote nlmsg_len bytes at the start of the buffer, which still lives.
        let message = unsafe {
            let length = (*header).nlmsg_len.try_into().unwrap();
            std::slice::from_raw_parts(header.cast::<u8>(), length)
        };
        self.bytes.extend(message);
    }

    fn change(&mut self, kind: u16, flags: u16, payload: impl FnOnce(*mut nlmsghdr)) {
        self.push(|buffer, sequence| {
            // SAFETY: the buffer is far larger than the header.
            let header = unsafe { sys::nftnl_nlmsg_build_hdr(buffer.cast(), kind, INET, REQUEST | flags, sequence) };
            payload(header);
            header
        });
    }

    pub fn finish(mut self) -> Vec<u8> {
        // SAFETY: the buffer is far larger than the message.
        self.push(|buffer, sequence| unsafe { sys::nftnl_batch_end(buffer.cast(), sequence) });
        self.bytes
    }

    pub fn table(&mut self, kind: u16, flags: u16, name: &str, table_flags: Option<u32>) {
        let name = text(name);
        self.change(kind, flags, |header| {
            // SAFETY: the table lives from alloc to free; libnftnl copies what it is given.
            unsafe {
                let table = sys::nftnl_table_alloc();
                sys::nftnl_table_set_str(table, attr(sys::NFTNL_TABLE_NAME), name.as_ptr());
                if let Some(flags) = table_flags {
                    sys::nftnl_table_set_u32(table, attr(sys::NFTNL_TABLE_FLAGS), flags);
                }
                sys::nftnl_table_nlmsg_build_payload(header, table);
                sys::nftnl_table_free(table);
            }
        });
    }

    pub fn set(&mut self, table: &str, set: Set, id: u32) {
        let (table, name) = (text(table), text(set.name()));
        self.change(NEW_SET, CREATE, |header| {
            // SAFETY: the set lives from alloc to free; libnftnl copies what it is given.
            unsafe {
                let made = sys::nftnl_set_alloc();
                sys::nftnl_set_set_str(made, attr(sys::NFTNL_SET_TABLE), table.as_ptr());
                sys::nftnl_set_set_str(made, attr(sys::NFTNL_SET_NAME), name.as_ptr());
                let interval = if set.is_interval() { 0x84 } else { 0 };
                let map = if set.is_map() { 8 } else { 0 };
                for (number, value) in [
                    (sys::NFTNL_SET_FLAGS, 0x10 | interval | map),
                    (sys::NFTNL_SET_KEY_TYPE, set.key_type()),
                    (sys::NFTNL_SET_KEY_LEN, set.key_length()),
                    (sys::NFTNL_SET_ID, id),
                    (sys::NFTNL_SET_DESC_SIZE, set.size()),
                ] {
                    sys::nftnl_set_set_u32(made, attr(number), value);
                }
                if set.is_map() {
                    sys::nftnl_set_set_u32(made, attr(sys::NFTNL_SET_DATA_TYPE), set.data_type());
                    sys::nftnl_set_set_u32(made, attr(sys::NFTNL_SET_DATA_LEN), set.data_length());
                }
                if set.is_interval() {
                    let number = attr(sys::NFTNL_SET_DESC_CONCAT);
                    let fields = set.fields();
                    sys::nftnl_set_set_data(made, number, fields.as_ptr().cast(), length(fields));
                }
                sys::nftnl_set_nlmsg_build_payload(header, made);
                sys::nftnl_set_free(made);
            }
        });
    }

    pub fn chain(&mut self, table: &str, name: &str, hook: Option<(&str, u32, i32)>) {
        let (table, name) = (text(table), text(name));
        self.change(NEW_CHAIN, CREATE, |header| {
            // SAFETY: the chain lives from alloc to free; libnftnl copies what it is given.
            unsafe {
                let chain = sys::nftnl_chain_alloc();
                sys::nftnl_chain_set_str(chain, attr(sys::NFTNL_CHAIN_TABLE), table.as_ptr());
                sys::nftnl_chain_set_str(chain, attr(sys::NFTNL_CHAIN_NAME), name.as_ptr());
                if let Some((kind, hook, priority)) = hook {
                    sys::nftnl_chain_set_str(chain, attr(sys::NFTNL_CHAIN_TYPE), text(kind).as_ptr());
                    sys::nftnl_chain_set_u32(chain, attr(sys::NFTNL_CHAIN_HOOKNUM), hook);
                    sys::nftnl_chain_set_s32(chain, attr(sys::NFTNL_CHAIN_PRIO), priority);
                    sys::nftnl_chain_set_u32(chain, attr(sys::NFTNL_CHAIN_POLICY), 1);
                }
                sys::nftnl_chain_nlmsg_build_payload(header, chain);
                sys::nftnl_chain_free(chain);
            }
        });
    }

    pub fn rule(&mut self, kind: u16, flags: u16, table: &str, chain: &str, expressions: &[Expression]) {
        let (table, chain) = (text(table), text(chain));
        self.change(kind, flags, |header| {
            // SAFETY: the rule lives from alloc to free and owns its expressions; the rest is copied.
            unsafe {
                let rule = sys::nftnl_rule_alloc();
                sys::nftnl_rule_set_str(rule, attr(sys::NFTNL_RULE_TABLE), table.as_ptr());
                sys::nftnl_rule_set_str(rule, attr(sys::NFTNL_RULE_CHAIN), chain.as_ptr());
                for expression in expressions {
                    sys::nftnl_rule_add_expr(rule, expression.make());
                }
                sys::nftnl_rule_nlmsg_build_payload(header, rule);
                sys::nftnl_rule_free(rule);
            }
        });
    }

    pub fn flush_set(&mut self, flags: u16, table: &str, set: Set) {
        let (table, name) = (text(table), text(set.name()));
        self.change(DEL_ELEMENT, flags, |header| {
            // SAFETY: the set lives from alloc to free; libnftnl copies what it is given.
            unsafe {
                let made = sys::nftnl_set_alloc();
                sys::nftnl_set_set_str(made, attr(sys::NFTNL_SET_TABLE), table.as_ptr());
                sys::nftnl_set_set_str(made, attr(sys::NFTNL_SET_NAME), name.as_ptr());
                sys::nftnl_set_elems_nlmsg_build_payload(header, made);
                sys::nftnl_set_free(made);
            }
        });
    }

    pub fn element(
        &mut self,
        kind: u16,
        flags: u16,
        table: &str,
        element: &Element,
        life: Option<(Option<u64>, &str)>,
    ) {
        let (table, name) = (text(table), text(element.set.name()));
        self.change(kind, flags, |header| {
            // SAFETY: the set lives from alloc to free and owns its element; the rest is copied.
            unsafe {
                let set = sys::nftnl_set_alloc();
                sys::nftnl_set_set_str(set, attr(sys::NFTNL_SET_TABLE), table.as_ptr());
                sys::nftnl_set_set_str(set, attr(sys::NFTNL_SET_NAME), name.as_ptr());
                let made = sys::nftnl_set_elem_alloc();
                let put = |number, bytes: &[u8]| {
                    sys::nftnl_set_elem_set(made, attr(number), bytes.as_ptr().cast(), length(bytes));
                };
                put(sys::NFTNL_SET_ELEM_KEY, element.key().bytes());
                if let Some(end) = element.key_end() {
                    put(sys::NFTNL_SET_ELEM_KEY_END, end.bytes());
                }
                if let Some((timeout, comment)) = life {
                    if let Some(timeout) = timeout {
                        let number = attr(sys::NFTNL_SET_ELEM_TIMEOUT);
                        sys::nftnl_set_elem_set_u64(made, number, timeout);
                    }
                    if let Some(data) = element.data() {
                        put(sys::NFTNL_SET_ELEM_DATA, data.bytes());
                    }
                    let userdata = sys::nftnl_udata_buf_alloc(256);
                    sys::nftnl_udata_put_strz(userdata, 0, text(comment).as_ptr());
                    let bytes = sys::nftnl_udata_buf_data(userdata);
                    let length = sys::nftnl_udata_buf_len(userdata);
                    sys::nftnl_set_elem_set(made, attr(sys::NFTNL_SET_ELEM_USERDATA), bytes, length);
                    sys::nftnl_udata_buf_free(userdata);
                }
                sys::nftnl_set_elem_add(set, made);
                sys::nftnl_set_elems_nlmsg_build_payload(header, set);
                sys::nftnl_set_free(set);
            }
        });
    }
}

/// An expression by its name, its numbers, and its longer values.
pub struct Expression {
    name: &'static str,
    numbers: Vec<(u32, u32)>,
    values: Vec<(u32, Vec<u8>)>,
}

impl Expression {
    pub fn new(name: &'static str, numbers: &[(u32, u32)], values: &[(u32, &[u8])]) -> Self {
        Self {
            name,
            numbers: numbers.to_vec(),
            values: values.iter().map(|(at, value)| (*at, value.to_vec())).collect(),
        }
    }

    fn make(&self) -> *mut sys::nftnl_expr {
        let name = text(self.name);
        // SAFETY: libnftnl copies the values; the expression belongs to the caller.
        unsafe {
            let made = sys::nftnl_expr_alloc(name.as_ptr());
            assert!(!made.is_null(), "{}", self.name);
            for &(number, value) in &self.numbers {
                sys::nftnl_expr_set_u32(made, attr(number), value);
            }
            for (number, value) in &self.values {
                let data: *const c_void = value.as_ptr().cast();
                sys::nftnl_expr_set(made, attr(*number), data, length(value));
            }
            made
        }
    }
}

fn meta(key: u32, register: u32) -> Expression {
    Expression::new("meta", &[(sys::NFTNL_EXPR_META_KEY, key), (sys::NFTNL_EXPR_META_DREG, register)], &[])
}

fn payload(base: u32, offset: u32, length: u32, register: u32) -> Expression {
    Expression::new(
        "payload",
        &[
            (sys::NFTNL_EXPR_PAYLOAD_DREG, register),
            (sys::NFTNL_EXPR_PAYLOAD_BASE, base),
            (sys::NFTNL_EXPR_PAYLOAD_OFFSET, offset),
            (sys::NFTNL_EXPR_PAYLOAD_LEN, length),
        ],
        &[],
    )
}

fn compare(operation: u32, value: &[u8]) -> Expression {
    Expression::new(
        "cmp",
        &[(sys::NFTNL_EXPR_CMP_SREG, 1), (sys::NFTNL_EXPR_CMP_OP, operation)],
        &[(sys::NFTNL_EXPR_CMP_DATA, value)],
    )
}

fn accept() -> Expression {
    verdict(1)
}

fn verdict(code: u32) -> Expression {
    Expression::new("immediate", &[(sys::NFTNL_EXPR_IMM_DREG, 0), (sys::NFTNL_EXPR_IMM_VERDICT, code)], &[])
}

pub fn known() -> Vec<Expression> {
    let mut rule = bits(0, 6);
    rule.push(accept());
    rule
}

fn bits(key: u32, mask: u32) -> Vec<Expression> {
    vec![
        Expression::new("ct", &[(sys::NFTNL_EXPR_CT_KEY, key), (sys::NFTNL_EXPR_CT_DREG, 1)], &[]),
        Expression::new(
            "bitwise",
            &[(sys::NFTNL_EXPR_BITWISE_SREG, 1), (sys::NFTNL_EXPR_BITWISE_DREG, 1), (sys::NFTNL_EXPR_BITWISE_LEN, 4)],
            &[(sys::NFTNL_EXPR_BITWISE_MASK, &mask.to_ne_bytes()), (sys::NFTNL_EXPR_BITWISE_XOR, &[0; 4])],
        ),
        compare(1, &[0; 4]),
    ]
}

fn translate(kind: u32, port: &[(u32, u32)]) -> Expression {
    let numbers =
        [(sys::NFTNL_EXPR_NAT_TYPE, kind), (sys::NFTNL_EXPR_NAT_FAMILY, 2), (sys::NFTNL_EXPR_NAT_REG_ADDR_MIN, 1)];
    Expression::new("nat", &[&numbers, port].concat(), &[])
}

/// The registers are those that `nft --debug=netlink` shows for the same rules.
pub fn members(set: Set, id: u32) -> Vec<Expression> {
    let (family, source, destination, size) = if set.is_v6() { (10, 8, 24, 16) } else { (2, 12, 16, 4) };
    let mut rule = Vec::new();
    if set == Set::Dnat4 {
        let fib = [(sys::NFTNL_EXPR_FIB_DREG, 1), (sys::NFTNL_EXPR_FIB_RESULT, 3), (sys::NFTNL_EXPR_FIB_FLAGS, 2)];
        rule.push(Expression::new("fib", &fib, &[]));
        rule.push(compare(0, &2u32.to_ne_bytes()));
    }
    if set.is_cut() {
        rule.extend(bits(0, 9));
    }
    rule.extend([meta(15, 1), compare(0, &[family]), payload(1, source, size, 1)]);
    let (to, service) = match set {
        Set::In4 | Set::Net4 | Set::Dnat4 => (None, Some((9, 10))),
        Set::In6 | Set::Net6 => (None, Some((2, 13))),
        Set::To4 | Set::Snat4 | Set::Masq4 => (Some(9), Some((10, 11))),
        Set::To6 => (Some(2), Some((3, 17))),
        Set::All4 => (Some(9), None),
        Set::All6 => (Some(2), None),
        Set::Cut4 => (Some(9), Some((10, 2))),
        Set::Cut6 => (Some(2), Some((3, 18))),
    };
    rule.extend(to.map(|register| payload(1, destination, size, register)));
    if let Some((proto, port)) = service {
        rule.push(meta(16, proto));
        let source = if set == Set::Cut4 { 11 } else { 17 };
        rule.extend(set.is_cut().then(|| payload(2, 0, 2, source)));
        rule.push(payload(2, 2, 2, port));
    }
    let mut name = set.name().as_bytes().to_vec();
    name.push(0);
    let mut numbers = vec![(sys::NFTNL_EXPR_LOOKUP_SREG, 1), (sys::NFTNL_EXPR_LOOKUP_SET_ID, id)];
    if set.is_map() {
        numbers.push((sys::NFTNL_EXPR_LOOKUP_DREG, 1));
    }
    rule.push(Expression::new("lookup", &numbers, &[(sys::NFTNL_EXPR_LOOKUP_SET, &name)]));
    rule.push(match set {
        Set::Dnat4 => translate(1, &[(sys::NFTNL_EXPR_NAT_REG_PROTO_MIN, 9)]),
        Set::Snat4 => translate(0, &[]),
        Set::Masq4 => Expression::new("masq", &[], &[]),
        Set::Cut4 | Set::Cut6 => verdict(0),
        _ => accept(),
    });
    rule
}

pub fn reject(protocol: u8, port: u16, kind: u32, code: u8) -> Vec<Expression> {
    vec![
        meta(16, 1),
        compare(0, &[protocol]),
        payload(2, 2, 2, 1),
        compare(0, &port.to_be_bytes()),
        Expression::new("reject", &[(sys::NFTNL_EXPR_REJECT_TYPE, kind)], &[(sys::NFTNL_EXPR_REJECT_CODE, &[code])]),
    ]
}

pub fn reject_translated(protocol: u8, port: u16, kind: u32, code: u8) -> Vec<Expression> {
    let mut rule = vec![meta(16, 1), compare(0, &[protocol])];
    rule.extend(bits(2, 0x20));
    let numbers = [(sys::NFTNL_EXPR_CT_KEY, 12), (sys::NFTNL_EXPR_CT_DREG, 1)];
    rule.push(Expression::new("ct", &numbers, &[(sys::NFTNL_EXPR_CT_DIR, &[0])]));
    rule.extend(reject(protocol, port, kind, code).split_off(3));
    rule
}

pub fn jump(chain: &str) -> Vec<Expression> {
    let mut name = chain.as_bytes().to_vec();
    name.push(0);
    vec![
        meta(6, 1),
        compare(0, b"wan0\0\0\0\0\0\0\0\0\0\0\0\0"),
        Expression::new(
            "immediate",
            &[(sys::NFTNL_EXPR_IMM_DREG, 0), (sys::NFTNL_EXPR_IMM_VERDICT, 0xffff_fffd)],
            &[(sys::NFTNL_EXPR_IMM_CHAIN, &name)],
        ),
    ]
}
