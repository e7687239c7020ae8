//! The numbers of nftables' expressions that the walk understands (`linux/netfilter/nf_tables.h`).

/// Attributes of an entry in a list of expressions.
pub(super) mod entry {
    pub(crate) const NAME: u16 = 1;
    pub(crate) const DATA: u16 = 2;
}

/// Attributes of rules and sets that only the walk reads.
pub(super) mod attr {
    pub(crate) const RULE_HANDLE: u16 = 3;
    pub(crate) const RULE_USERDATA: u16 = 7;
    pub(crate) const ELEMENT_FLAGS: u16 = 3;
    pub(crate) const DATA_VERDICT: u16 = 2;
    pub(crate) const VERDICT_CODE: u16 = 1;
    pub(crate) const VERDICT_CHAIN: u16 = 2;
}

/// The table is switched off, `NFT_TABLE_F_DORMANT`.
pub(super) const DORMANT: u32 = 1;
/// The set holds intervals, `NFT_SET_INTERVAL`.
pub(super) const INTERVAL: u32 = 4;
/// The element ends the interval before it, `NFT_SET_ELEM_INTERVAL_END`.
pub(super) const INTERVAL_END: u32 = 1;
/// The element stands for all that no other one is for, `NFT_SET_ELEM_CATCHALL`.
pub(super) const CATCH_ALL: u32 = 2;

/// Families of tables: `NFPROTO_INET`, `NFPROTO_IPV4`, `NFPROTO_IPV6`.
pub(super) const INET: u8 = 1;
pub(super) const IPV4: u8 = 2;
pub(super) const IPV6: u8 = 10;

/// Hooks, `NF_INET_PRE_ROUTING` and so on.
pub(super) mod hook {
    pub(crate) const PREROUTING: u32 = 0;
    pub(crate) const INPUT: u32 = 1;
    pub(crate) const FORWARD: u32 = 2;
}

/// Verdict codes, the negative ones as the kernel writes them.
pub(super) mod verdict {
    pub(crate) const DROP: u32 = 0;
    pub(crate) const ACCEPT: u32 = 1;
    pub(crate) const CONTINUE: u32 = u32::MAX;
    pub(crate) const BREAK: u32 = u32::MAX - 1;
    pub(crate) const JUMP: u32 = u32::MAX - 2;
    pub(crate) const GOTO: u32 = u32::MAX - 3;
    pub(crate) const RETURN: u32 = u32::MAX - 4;
}

/// What `meta` loads.
pub(super) mod meta {
    pub(crate) const PROTOCOL: u32 = 1;
    pub(crate) const MARK: u32 = 3;
    pub(crate) const IIF: u32 = 4;
    pub(crate) const OIF: u32 = 5;
    pub(crate) const IIFNAME: u32 = 6;
    pub(crate) const OIFNAME: u32 = 7;
    pub(crate) const NFPROTO: u32 = 15;
    pub(crate) const L4PROTO: u32 = 16;
    pub(crate) const PKTTYPE: u32 = 19;
    pub(crate) const SECPATH: u32 = 25;
}

/// What `ct` loads.
pub(super) mod ct {
    pub(crate) const STATE: u32 = 0;
    pub(crate) const DIRECTION: u32 = 1;
    pub(crate) const STATUS: u32 = 2;
    pub(crate) const MARK: u32 = 3;
    pub(crate) const L3PROTOCOL: u32 = 7;
    pub(crate) const SOURCE: u32 = 8;
    pub(crate) const DESTINATION: u32 = 9;
    pub(crate) const PROTOCOL: u32 = 10;
    pub(crate) const SOURCE_PORT: u32 = 11;
    pub(crate) const DESTINATION_PORT: u32 = 12;
    pub(crate) const SOURCE_V4: u32 = 19;
    pub(crate) const DESTINATION_V4: u32 = 20;
    pub(crate) const SOURCE_V6: u32 = 21;
    pub(crate) const DESTINATION_V6: u32 = 22;
}

/// Headers of `payload`.
pub(super) mod header {
    pub(crate) const NETWORK: u32 = 1;
    pub(crate) const TRANSPORT: u32 = 2;
}

/// Flags and results of `fib`.
pub(super) mod fib {
    pub(crate) const ADDRESS_TYPE: u32 = 3;
    pub(crate) const SOURCE: u32 = 1;
    pub(crate) const DESTINATION: u32 = 2;
    pub(crate) const PRESENT: u32 = 1 << 5;
}
