//! The command line of spa-knockd.

fn main() {}
