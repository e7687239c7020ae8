#!/usr/bin/env bash
# Builds the last commit for a target in another directory, and compares program and package: twice.sh TARGET
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$1
here=$PWD

if [[ -n $(git status --porcelain -- Cargo.toml Cargo.lock build.rs src cross files openwrt luci-app) ]]; then
	echo "twice: what is not committed would not be in the other directory" >&2
	exit 1
fi
cross/build "$target"
cross/ipk "$target"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
there=$work/a/directory/of/another/length
git clone --quiet "$here" "$there"
mkdir -p "$there/target/cross"
# Unpacked tools and downloads; nothing that was compiled.
for part in rust zig download toolchain; do
	[[ ! -e target/cross/$part ]] || cp -a "target/cross/$part" "$there/target/cross/"
done
(cd "$there" && cross/build "$target" && cross/ipk "$target")

cmp "target/cross/bin/$target/spa-knockd" "$there/target/cross/bin/$target/spa-knockd"
for package in target/cross/packages/{"$target",all}/*.ipk; do
	cmp "$package" "$there/$package"
done
echo "the same bytes in both directories"
