# The binary is built by cross/build: of the feed's Rust rules, only their names are here.

RUST_ARCH_DEPENDS :=
RustBinPackage =
