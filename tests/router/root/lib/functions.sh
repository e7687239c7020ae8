# shellcheck shell=dash
# Stands in for OpenWrt's: configurations become variables CONFIG_SECTION_OPTION, and no variable is ever forgotten.

config() {
	CONFIG_SECTION=$2
	CONFIG_SECTIONS="$CONFIG_SECTIONS $2"
	eval "CONFIG_${2}_TYPE=\$1"
}
option() { eval "CONFIG_${CONFIG_SECTION}_$1=\$2"; }
list() {
	case " $CONFIG_LISTS " in
	*" ${CONFIG_SECTION}_$1 "*) eval "CONFIG_${CONFIG_SECTION}_$1=\"\$CONFIG_${CONFIG_SECTION}_$1 \$2\"" ;;
	*)
		CONFIG_LISTS="$CONFIG_LISTS ${CONFIG_SECTION}_$1"
		eval "CONFIG_${CONFIG_SECTION}_$1=\$2"
		;;
	esac
}
package() { :; }

config_load() {
	local text
	CONFIG_SECTIONS='' CONFIG_LISTS=''
	text=$(uci -S -n export "$1" 2>/dev/null) || return
	eval "$text"
}
config_get() { eval "$1=\${CONFIG_${2}_$3:-\$4}"; }
config_unset() { eval "CONFIG_${1}_$2="; }
config_get_bool() {
	local value
	config_get value "$2" "$3" "$4"
	case "$value" in
	1 | on | true | yes | enabled) eval "$1=1" ;;
	0 | off | false | no | disabled) eval "$1=0" ;;
	*) eval "$1=\$4" ;;
	esac
}
config_foreach() {
	local function=$1 kind=$2 section found
	shift 2
	for section in $CONFIG_SECTIONS; do
		config_get found "$section" TYPE
		[ "$found" != "$kind" ] || "$function" "$section" "$@"
	done
}

# Stands in for logger, as a function because Debian's busybox prefers its own: each line with its level.
logger() {
	local level
	while [ $# -gt 1 ]; do
		[ "$1" != -p ] || level=$2
		shift
	done
	echo "${level#daemon.} $1" >>/tmp/log
}

# Stands in for sync, which would be the whole machine's: remembers what would then be on the flash for sure.
sync() { (cd /usr/share/nftables.d && echo sync && find . -type f -exec wc -c {} ';' | sort -k 2) >>/tmp/syncs; }
