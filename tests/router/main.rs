//! The init script and its parts, under busybox ash: what a router's owner sees at good and at bad times.
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

mod firewall;
mod jail;
mod machine;
mod page;
mod power;
mod reloading;
mod removal;
mod room;
mod starting;

/// The drop-ins of the zone wan.
const OF_WAN: [&str; 7] = [
    "chain-pre/dstnat/10-spa-knockd.nft",
    "chain-pre/forward/10-spa-knockd.nft",
    "chain-pre/forward_wan/10-spa-knockd.nft",
    "chain-pre/input_wan/10-spa-knockd.nft",
    "chain-pre/output/10-spa-knockd.nft",
    "chain-pre/srcnat/10-spa-knockd.nft",
    "table-pre/10-spa-knockd.nft",
];

/// A configuration that is good, with more lines in its main section.
fn config(main: &str) -> String {
    format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n{main}\nconfig access 'alice'\n\
         \toption key_base64 'HmUuwVLQv81lGQ/8YEwJM9BCM4HeJsgtnLJVzBJMMGw='\n\
         \toption hmac_key_base64 'At2sZkbjbxMevd5dOrRvFS13uPAK5xxBSz7zh4QxD3I'\n\tlist open 'tcp/22'\n"
    )
}

/// The configuration that a beginner has.
fn simple() -> String {
    config("\tlist network 'wan'\n")
}
