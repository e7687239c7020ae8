#!/bin/sh
# Drives the pages in Chromium, on the LuCI checkout that LUCI_SRC names.
set -eu
cd "$(dirname "$0")/../.."

if [ ! -f "${LUCI_SRC:-}/modules/luci-base/htdocs/luci-static/resources/luci.js" ]; then
	echo "set LUCI_SRC to a checkout of LuCI: make test-luci LUCI_SRC=/path/to/luci" >&2
	exit 1
fi
LUCI_SRC=$(cd "$LUCI_SRC" && pwd)
export LUCI_SRC

tests/setup.sh lab luci
cargo test --test lab_luci --config "target.'cfg(unix)'.runner = '$PWD/tests/as-root.sh'" -- --nocapture
