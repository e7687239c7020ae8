//! The numbers of nftables' netlink protocol that we use (`linux/netfilter/nf_tables.h`).

pub(super) const REQUEST: u16 = 0x1;
pub(super) const ACK: u16 = 0x4;
pub(super) const DUMP: u16 = 0x300;
pub(super) const CREATE: u16 = 0x400;
pub(super) const APPEND: u16 = 0x800;
/// The family `inet` of tables, `NFPROTO_INET`.
pub(super) const INET: u8 = 1;
/// The nftables subsystem of nfnetlink, in the high byte of a message type.
pub(super) const SUBSYSTEM: u16 = 10;
pub(super) const BATCH_BEGIN: u16 = 0x10;
pub(super) const BATCH_END: u16 = 0x11;

/// The message types.
pub(super) mod kind {
    pub(crate) const NEW_TABLE: u16 = super::SUBSYSTEM << 8;
    pub(crate) const GET_TABLE: u16 = NEW_TABLE + 1;
    pub(crate) const DEL_TABLE: u16 = NEW_TABLE + 2;
    pub(crate) const NEW_CHAIN: u16 = NEW_TABLE + 3;
    pub(crate) const GET_CHAIN: u16 = NEW_TABLE + 4;
    pub(crate) const DEL_CHAIN: u16 = NEW_TABLE + 5;
    pub(crate) const NEW_RULE: u16 = NEW_TABLE + 6;
    pub(crate) const GET_RULE: u16 = NEW_TABLE + 7;
    pub(crate) const DEL_RULE: u16 = NEW_TABLE + 8;
    pub(crate) const NEW_SET: u16 = NEW_TABLE + 9;
    pub(crate) const GET_SET: u16 = NEW_TABLE + 10;
    pub(crate) const DEL_SET: u16 = NEW_TABLE + 11;
    pub(crate) const NEW_ELEMENT: u16 = NEW_TABLE + 12;
    pub(crate) const GET_ELEMENT: u16 = NEW_TABLE + 13;
    pub(crate) const DEL_ELEMENT: u16 = NEW_TABLE + 14;
    pub(crate) const NEW_GENERATION: u16 = NEW_TABLE + 15;
}

/// Connection tracking (`linux/netfilter/nfnetlink_conntrack.h`).
pub(super) mod conntrack {
    /// The message types: subsystem 1.
    pub(crate) const CHANGE: u16 = 0x100;
    pub(crate) const GET: u16 = 0x101;
    pub(crate) const DELETE: u16 = 0x102;
    pub(crate) const GET_STATISTICS: u16 = 0x105;

    /// Attributes of a connection.
    pub(crate) const ORIGINAL: u16 = 1;
    pub(crate) const REPLY: u16 = 2;
    pub(crate) const TIMEOUT: u16 = 7;
    pub(crate) const ID: u16 = 12;
    pub(crate) const ZONE: u16 = 18;
    pub(crate) const FILTER: u16 = 25;

    /// What a reading is to be chosen by: of the original tuple, its source address.
    pub(crate) const FILTER_ORIGINAL: u16 = 1;
    pub(crate) const FILTER_SOURCE: u32 = 1;

    /// Attributes of a tuple.
    pub(crate) const ADDRESSES: u16 = 1;
    pub(crate) const PROTOCOL: u16 = 2;
    pub(crate) const V4_SOURCE: u16 = 1;
    pub(crate) const V6_SOURCE: u16 = 3;
    pub(crate) const V4_DESTINATION: u16 = 2;
    pub(crate) const V6_DESTINATION: u16 = 4;
    pub(crate) const PROTOCOL_NUMBER: u16 = 1;
    pub(crate) const SOURCE_PORT: u16 = 2;
    pub(crate) const DESTINATION_PORT: u16 = 3;
}

/// The families of connections, `AF_INET` and `AF_INET6`.
pub(super) const V4: u8 = 2;
pub(super) const V6: u8 = 10;

/// Attributes of tables, sets, chains, rules and elements.
pub(super) mod attr {
    pub(crate) const TABLE: u16 = 1;
    pub(crate) const TABLE_FLAGS: u16 = 2;
    pub(crate) const TABLE_HANDLE: u16 = 4;

    pub(crate) const SET: u16 = 2;
    pub(crate) const SET_FLAGS: u16 = 3;
    pub(crate) const SET_KEY_TYPE: u16 = 4;
    pub(crate) const SET_KEY_LENGTH: u16 = 5;
    pub(crate) const SET_DATA_TYPE: u16 = 6;
    pub(crate) const SET_DATA_LENGTH: u16 = 7;
    pub(crate) const SET_DESCRIPTION: u16 = 9;
    pub(crate) const SET_ID: u16 = 10;
    pub(crate) const DESCRIPTION_SIZE: u16 = 1;
    pub(crate) const DESCRIPTION_FIELDS: u16 = 2;
    pub(crate) const FIELD_LENGTH: u16 = 1;

    /// One entry of a list, whatever it lists.
    pub(crate) const LIST_ENTRY: u16 = 1;
    pub(crate) const ELEMENTS: u16 = 3;
    pub(crate) const ELEMENT_KEY: u16 = 1;
    pub(crate) const ELEMENT_DATA: u16 = 2;
    pub(crate) const ELEMENT_TIMEOUT: u16 = 4;
    pub(crate) const ELEMENT_EXPIRATION: u16 = 5;
    pub(crate) const ELEMENT_USERDATA: u16 = 6;
    pub(crate) const ELEMENT_KEY_END: u16 = 10;
    pub(crate) const DATA_VALUE: u16 = 1;

    pub(crate) const CHAIN_NAME: u16 = 3;
    pub(crate) const CHAIN_HOOK: u16 = 4;
    pub(crate) const CHAIN_POLICY: u16 = 5;
    pub(crate) const CHAIN_TYPE: u16 = 7;
    pub(crate) const HOOK_NUMBER: u16 = 1;
    pub(crate) const HOOK_PRIORITY: u16 = 2;

    pub(crate) const RULE_CHAIN: u16 = 2;
    pub(crate) const RULE_EXPRESSIONS: u16 = 4;
}
