# shellcheck shell=dash
# shellcheck disable=SC2034 # the parts of the init script share their variables
# From /etc/config/spa-knockd to what the daemon reads: networks become devices, and the zones are found.

SPA_CONFIG=/etc/config/spa-knockd
SPA_PROGRAM=/usr/sbin/spa-knockd
SPA_RESOLVED=/var/etc/spa-knockd
# The user where there is none of the name, as the daemon has it.
SPA_FALLBACK_ID=62201

# Looks at the configuration as it was committed, for the path keeps uci from adding what was not.
# Sets SPA_STATE to ready, refused or disabled, and SPA_TEXT to the configuration as uci writes it.
spa_examine() {
	local enabled said
	SPA_STATE=refused
	if [ ! -f "$SPA_CONFIG" ]; then
		spa_note err "$SPA_CONFIG is missing; install the package again, or write it"
		return
	fi
	if SPA_TEXT=$(uci -q export "$SPA_CONFIG") && config_load "$SPA_CONFIG"; then
		config_get enabled main enabled 0
		case "$enabled" in
		0 | off | false | no | disabled)
			spa_note notice "option enabled is '0' in $SPA_CONFIG"
			SPA_STATE=disabled
			return
			;;
		esac
		if said=$("$SPA_PROGRAM" check --config "$SPA_CONFIG" 2>&1); then
			spa_note_lines warn "$(echo "$said" | grep '^spa-knockd: warning: ')"
			SPA_STATE=ready
			return
		fi
	else
		said=$("$SPA_PROGRAM" check --config "$SPA_CONFIG" 2>&1) && said="$SPA_CONFIG: uci cannot read it"
	fi
	spa_note_lines err "$said"
}

# Whether a list of words holds one. 1: the words; 2: the word.
spa_holds() {
	case " $1 " in
	*" $2 "*) return 0 ;;
	esac
	return 1
}

# Sets SPA_DEVICES, SPA_FOUND to the devices that the configuration does not name itself, and SPA_UNKNOWN where it
# names a network that is neither configured nor up. The device of a network
# that is down keeps its place, and the daemon awaits it: only one that was never up is not known.
spa_find_devices() {
	local network device
	config_get SPA_NETWORKS main network
	config_get SPA_DEVICES main device
	[ -n "$SPA_NETWORKS$SPA_DEVICES" ] || SPA_NETWORKS=wan
	SPA_FOUND=
	SPA_PAIRS=
	SPA_UNKNOWN=
	network_flush_cache
	for network in $SPA_NETWORKS; do
		device=
		network_get_device device "$network" || device=
		if [ -z "$device" ] && uci -q get "network.$network" >/dev/null; then
			device=$(awk -v network="$network" '$1 == network { print $2 }' "$SPA_RESOLVED/devices" 2>/dev/null)
			[ -n "$device" ] || spa_note notice "network '$network' is not up and has no device yet; it is awaited"
		elif [ -z "$device" ]; then
			spa_note warn "there is no network '$network' in /etc/config/network; correct list network"
			SPA_UNKNOWN=1
		fi
		case "$device" in
		'') continue ;;
		*[!A-Za-z0-9_.@+-]*)
			spa_note warn "network '$network': its device has a name that is not understood"
			continue
			;;
		esac
		SPA_PAIRS="$SPA_PAIRS$network $device
"
		spa_holds "$SPA_DEVICES" "$device" && continue
		SPA_DEVICES="${SPA_DEVICES:+$SPA_DEVICES }$device"
		SPA_FOUND="${SPA_FOUND:+$SPA_FOUND }$device"
	done
}

# Counts a zone in, once. 1: its name, which becomes that of a directory.
spa_add_zone() {
	case "$1" in
	*[!A-Za-z0-9_.-]* | ?????????????????????????????????*)
		spa_note err "zone '$1': only 1 to 32 letters, digits, '_', '.' and '-' are understood; rename it"
		;;
	*) spa_holds "$SPA_ZONES" "$1" || SPA_ZONES="${SPA_ZONES:+$SPA_ZONES }$1" ;;
	esac
}

# Forgets what of the loaded configuration could be taken for options of another one, for config_load forgets nothing:
# a section must not lend its own to one of the same name.
spa_forget_sections() {
	local section option
	for section in $CONFIG_SECTIONS; do
		for option in name enabled network device; do
			config_unset "$section" "$option"
		done
	done
}

# Looks at one of the firewall's zones: whether it is one, and which of our networks and devices are in it.
# 1: its section.
spa_look_at_zone() {
	local name enabled networks devices member
	config_get name "$1" name
	config_get_bool enabled "$1" enabled 1
	config_get networks "$1" network
	config_get devices "$1" device
	[ "$enabled" = 1 ] && [ -n "$name" ] || return 0
	# A name with a blank in it must not count as two.
	case "$name" in
	*[!A-Za-z0-9_.-]*) ;;
	*) SPA_FW4_ZONES="$SPA_FW4_ZONES $name" ;;
	esac
	[ -z "$SPA_ZONES_NAMED" ] || return 0
	for member in $SPA_NETWORKS; do
		spa_holds "$networks" "$member" || continue
		SPA_COVERED="$SPA_COVERED network:$member"
		spa_add_zone "$name"
	done
	for member in $SPA_DEVICES; do
		spa_holds "$devices" "$member" || continue
		SPA_COVERED="$SPA_COVERED device:$member"
		spa_add_zone "$name"
	done
}

# Asks fw4 for the zone of what no zone of /etc/config/firewall names: a protocol may have put a network into one, and
# the device of a network may be named. 1: the network, or nothing; 2: its device.
spa_ask_for_zone() {
	local name=
	spa_holds "$SPA_COVERED" "network:$1" && return
	spa_holds "$SPA_COVERED" "device:$2" && return
	[ -n "$1" ] && name=$(fw4 -q network "$1" 2>/dev/null)
	[ -n "$name" ] || name=$(fw4 -q device "$2" 2>/dev/null)
	if [ -n "$name" ]; then
		SPA_FW4_ZONES="$SPA_FW4_ZONES $name"
		spa_add_zone "$name"
	else
		spa_note warn "device '$2'${1:+ of $1} is in no zone of the firewall, so knocks there open nothing; put it into one"
	fi
}

# Sets SPA_ZONES: those of list zone, or those of the networks and of the devices that are named. Fails where none is
# left. The configuration of the firewall takes the place of ours.
spa_find_zones() {
	local network device zone wanted named
	config_get SPA_ZONES_NAMED main zone
	config_get named main device
	SPA_ZONES="$SPA_ZONES_NAMED" SPA_FW4_ZONES='' SPA_COVERED=''
	spa_forget_sections
	config_load firewall
	config_foreach spa_look_at_zone zone
	spa_forget_sections
	if [ -z "$SPA_ZONES_NAMED" ]; then
		while read -r network device; do
			[ -z "$device" ] || spa_ask_for_zone "$network" "$device"
		done <<EOT
$SPA_PAIRS
EOT
		for device in $named; do
			spa_ask_for_zone '' "$device"
		done
	fi
	wanted="$SPA_ZONES"
	SPA_ZONES=
	for zone in $wanted; do
		if spa_holds "$SPA_FW4_ZONES" "$zone"; then
			spa_add_zone "$zone"
		else
			spa_note err "there is no zone '$zone' in /etc/config/firewall; correct list zone, or make the zone"
		fi
	done
	[ -n "$SPA_ZONES" ] && return
	spa_note err "there is no zone of the firewall in which a knock could open anything"
	return 1
}

# The group that the daemon will have.
spa_group() {
	local group
	group=$(awk -F : '$1 == "spa-knockd" && $3 != 0 { print $4; exit }' /etc/passwd 2>/dev/null)
	case "$group" in
	'' | 0) echo "$SPA_FALLBACK_ID" ;;
	*) echo "$group" ;;
	esac
}

# Prints the configuration with the devices, zones and ranges that were found.
spa_resolved_text() {
	local word
	{
		for word in $SPA_FOUND; do
			printf "\tlist device '%s'\n" "$word"
		done
		[ -n "$SPA_ZONES_NAMED" ] || for word in $SPA_ZONES; do
			printf "\tlist zone '%s'\n" "$word"
		done
		for word in $SPA_PAGE_FROM; do
			printf "\tlist plain_from '%s'\n" "$word"
		done
		# Behind the first line that is no list of ours: what uci wrote.
		printf '%s\n' "$SPA_TEXT"
	} | awk -v main="config spa-knockd 'main'" -v page="config page 'page'" '
		!begun && /^\tlist (device|zone) / { found = found $0 "\n"; next }
		!begun && /^\tlist plain_from / { plain = plain $0 "\n"; next }
		{ begun = 1; print }
		$0 == main && !done { printf "%s", found; done = 1 }
		$0 == page { printf "%s", plain; plain = "" }
		END { exit !done }'
}

# Makes the directory of what the daemon reads, and fails where it or the one above is not root's own: anybody may make
# directories in /var, which is /tmp. What a full /var keeps from being made is no matter of this.
spa_own_resolved() {
	local directory
	for directory in "${SPA_RESOLVED%/*}" "$SPA_RESOLVED"; do
		mkdir "$directory" 2>/dev/null
		if [ -L "$directory" ] || { [ -e "$directory" ] && [ ! -O "$directory" ]; }; then
			spa_note err "$directory is not a directory of root's own, and the keys would be in it; remove it, and see who made it"
			return 1
		fi
	done
}

# Writes what the daemon reads, whole or not at all, where it differs; then SPA_CHANGED is set, and the former one
# is beside it. Its directory is root's, so that the daemon's user cannot put a link there.
spa_write_resolved() {
	local new="$SPA_RESOLVED/config.new"
	SPA_CHANGED=
	spa_own_resolved || return
	rm -f "$SPA_RESOLVED/config.old"
	if ! (
		umask 077 &&
			spa_resolved_text >"$new" && chgrp "$(spa_group)" "$new" && chmod 0640 "$new" &&
			printf '%s' "$SPA_PAIRS" >"$SPA_RESOLVED/devices.new"
	) 2>/dev/null; then
		rm -f "$new" "$SPA_RESOLVED/devices.new"
		spa_note err "$SPA_RESOLVED cannot be written; is /var full?"
		return 1
	fi
	mv "$SPA_RESOLVED/devices.new" "$SPA_RESOLVED/devices"
	if ! cmp -s "$new" "$SPA_RESOLVED/config"; then
		SPA_CHANGED=1
		[ ! -f "$SPA_RESOLVED/config" ] || mv "$SPA_RESOLVED/config" "$SPA_RESOLVED/config.old"
	fi
	# Also where only the group has changed, with the daemon's user.
	mv "$new" "$SPA_RESOLVED/config"
}
