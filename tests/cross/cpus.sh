#!/usr/bin/env bash
# Has the binary of a target judge a knock on each processor of the routers that get it: cpus.sh TARGET
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$1

program=target/cross/bin/$target/spa-knockd
qemu=target/foreign/prefix/usr/bin/$(awk -v target="$target" '$1 == target { print $6 }' cross/targets)-static
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# on PROCESSOR WORDS…: what the program says there.
on() { "$qemu" -cpu "$1" "$program" "${@:2}"; }

judge() {
	local cpu=$1 keys key hmac
	keys=$(on "$cpu" keygen)
	key=$(sed -n 's/^KEY_BASE64: //p' <<<"$keys") hmac=$(sed -n 's/^HMAC_KEY_BASE64: //p' <<<"$keys")
	(
		umask 077
		cat >"$work/config" <<-END
			config spa-knockd 'main'
				option enabled '1'
				list device 'wan'

			config access 'alice'
				option key_base64 '$key'
				option hmac_key_base64 '$hmac'
				list open 'tcp/22'
				option require_source_address '0'
		END
	)
	rm -f "$work/packet"
	fwknop --no-rc-file --no-save-args -T -B "$work/packet" -D 203.0.113.1 -A tcp/22 -a 203.0.113.2 \
		--key-base64-rijndael "$key" --use-hmac --key-base64-hmac "$hmac" >/dev/null
	tr -d '\n' <"$work/packet" >"$work/payload"
	on "$cpu" explain --config "$work/config" --json "$work/payload"
}

passed=0 failed=0
while read -r name cpu; do
	# A processor that lacks an instruction ends the program without a word.
	if said=$(judge "$cpu" 2>&1) && [[ $said == *'"verdict":"grant"'* ]]; then
		passed=$((passed + 1))
	else
		echo "the package $name on $cpu: ${said:-not a word}" >&2
		failed=$((failed + 1))
	fi
done < <(awk -v target="$target" '!/^#/ && $2 == target { print $1, $3 }' cross/routers)

echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
