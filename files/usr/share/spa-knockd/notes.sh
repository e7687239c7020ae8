# shellcheck shell=dash
# shellcheck disable=SC2034 # the parts of the init script share their variables
# What is said of a start: in the log each line once, in /etc/init.d/spa-knockd status for as long as it holds.

SPA_STATUS=/var/run/spa-knockd.status
SPA_NOTES=

# Remembers a line. 1: err, warn or notice; 2: the line.
spa_note() {
	SPA_NOTES="$SPA_NOTES$1 $2
"
}

# Remembers each line of a text, at most 40. 1: err, warn or notice; 2: the text.
spa_note_lines() {
	local line count=0
	while read -r line; do
		[ -n "$line" ] || continue
		count=$((count + 1))
		if [ "$count" -gt 40 ]; then
			spa_note "$1" "and more"
			return
		fi
		line=${line#spa-knockd: }
		spa_note "$1" "${line#warning: }"
	done <<EOT
$2
EOT
}

# Logs one line. 1: err, warn or notice; 2: the line.
spa_log() {
	local terminal=
	[ -t 2 ] && terminal=-s
	logger $terminal -t spa-knockd -p "daemon.$1" "$2"
}

# Logs what was not said already, and keeps all of it for the status. 1: how the service is.
spa_publish() {
	local level line
	while read -r level line; do
		[ -n "$level" ] || continue
		if ! grep -Fxqs -e "$level $line" "$SPA_STATUS"; then
			spa_log "$level" "$line"
		elif [ -t 2 ]; then
			echo "spa-knockd: $line" >&2
		fi
	done <<EOT
$SPA_NOTES
EOT
	# A full /var costs the status, not the service.
	{ printf '%s\n%s' "$1" "$SPA_NOTES" >"$SPA_STATUS"; } 2>/dev/null
}

# How the service was left: ready, refused, disabled or waiting; nothing where it was not started.
spa_left() {
	[ -f "$SPA_STATUS" ] && head -n 1 "$SPA_STATUS"
}

# Prints what was remembered.
spa_print_notes() {
	[ -f "$SPA_STATUS" ] && sed -e 1d -e 's/^[a-z]* /  /' "$SPA_STATUS"
}
