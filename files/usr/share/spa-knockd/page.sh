# shellcheck shell=dash
# shellcheck disable=SC2034 # the parts of the init script share their variables
# The web server of the page of one-time passwords: whether it can run, and how. The daemon runs on without it.

SPA_PAGE_ROOT=/usr/share/spa-knockd/page
SPA_PAGE_SERVER=/usr/sbin/uhttpd
SPA_PAGE_USER=spa-knock-web
# Of our own making, where nobody has another one.
SPA_PAGE_OWN=/etc/spa-knockd/page

# Prints each word of a list once, for config_load may have met it twice. 1: the words.
spa_once() {
	local word once=
	for word in $1; do
		spa_holds "$once" "$word" || once="${once:+$once }$word"
	done
	echo "$once"
}

# Takes what the loaded configuration says of the page. Sets SPA_PAGE_WANTED where it is enabled, and SPA_PAGE, which is
# emptied where the page cannot be.
spa_read_page() {
	local kind enabled
	SPA_PAGE='' SPA_PAGE_WANTED='' SPA_PAGE_PORT='' SPA_PAGE_NETWORKS='' SPA_PAGE_FROM=''
	config_get kind page TYPE
	[ "$kind" = page ] || return 0
	config_get_bool enabled page enabled 0
	[ "$enabled" = 1 ] || return 0
	SPA_PAGE=1 SPA_PAGE_WANTED=1
	config_get SPA_PAGE_PORT page port 8443
	# Another web server serves it.
	[ "$SPA_PAGE_PORT" != 0 ] || SPA_PAGE=
	config_get SPA_PAGE_PLAIN page plain_port 0
	config_get SPA_PAGE_LISTEN page listen
	SPA_PAGE_LISTEN=$(spa_once "$SPA_PAGE_LISTEN")
	config_get SPA_PAGE_CERT page cert
	config_get SPA_PAGE_KEY page key
	config_get SPA_PAGE_HOSTS page host
	config_get SPA_PAGE_NETWORKS page plain_network
	SPA_PAGE_NETWORKS=$(spa_once "$SPA_PAGE_NETWORKS")
}

# Sets SPA_PAGE_FROM: the ranges of the networks whose visitors may come without TLS, for the resolved configuration.
spa_find_plain() {
	local network ranges ranges6
	for network in $SPA_PAGE_NETWORKS; do
		ranges='' ranges6=''
		network_get_subnets ranges "$network" || ranges=
		network_get_subnets6 ranges6 "$network" || ranges6=
		[ -n "$ranges$ranges6" ] ||
			spa_note notice "network '$network' has no address yet; without TLS, nobody gets to the page from there"
		SPA_PAGE_FROM="$SPA_PAGE_FROM $ranges $ranges6"
	done
}

# Says why there is no page. 1: why, and what helps.
spa_page_fails() {
	spa_note err "the page of one-time passwords is not there: $1"
	return 1
}

# What installs a package here. 1: the package.
spa_to_install() {
	if [ -x /usr/bin/apk ]; then echo "apk add $1"; else echo "opkg install $1"; fi
}

# Whether there is a user, and it is not root. 1: the user.
spa_has_user() {
	awk -F : -v user="$1" '$1 == user { found = $3 != 0 && $4 != 0; exit } END { exit !found }' /etc/passwd
}

# Whether all that the page needs is installed.
spa_page_is_installed() {
	local then=', then /etc/init.d/spa-knockd reload'
	[ -x "$SPA_PAGE_SERVER" ] || spa_page_fails "there is no uhttpd; $(spa_to_install uhttpd)$then" || return
	[ -e /lib/libustream-ssl.so ] || [ -e /usr/lib/libustream-ssl.so ] ||
		spa_page_fails "uhttpd has no TLS; $(spa_to_install libustream-mbedtls)$then" || return
	[ -x "$SPA_PAGE_ROOT/open-sesame" ] ||
		spa_page_fails "$SPA_PAGE_ROOT/open-sesame is missing; install the package again" || return
	spa_has_user "$SPA_PAGE_USER" ||
		spa_page_fails "there is no user $SPA_PAGE_USER; install the package again"
}

# Whether an address is one that the page listens at. 1: the address, or nothing for all.
spa_page_is_at() {
	local address
	case "$1" in
	'' | 0.0.0.0 | :: | '*') return 0 ;;
	esac
	[ -n "$SPA_PAGE_LISTEN" ] || return 0
	for address in $SPA_PAGE_LISTEN; do
		case "$address" in
		0.0.0.0 | :: | "$1") return 0 ;;
		esac
	done
	return 1
}

# Whether another section of uhttpd wants the port, LuCI's above all, which must not lose it. 1: the section.
spa_look_at_server() {
	local enabled plain secure place address
	config_get_bool enabled "$1" enabled 1
	config_get plain "$1" listen_http
	config_get secure "$1" listen_https
	[ "$enabled" = 1 ] || return 0
	for place in $plain $secure; do
		address=${place%"${place##*:}"}
		address=${address%:}
		address=${address#[}
		address=${address%]}
		[ "${place##*:}" = "$port" ] && spa_page_is_at "$address" && SPA_PAGE_TAKEN="section '$1' of /etc/config/uhttpd"
	done
	return 0
}

# The numbers of the sockets that listen at a port, with the address where it is one. 1: the port.
spa_listeners() {
	awk -v port=":$(printf '%04X' "$1")" -v all="$([ -z "$SPA_PAGE_LISTEN" ] || echo 1)" '
		$4 == "0A" && substr($2, length($2) - 4) == port && (all == "" || $2 ~ /^0+:/) { print $10 }
	' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# Prints the name of a program that has one of these sockets, and nothing where only the page's own server has any.
# 1: their numbers.
spa_holder() {
	local process found=
	# shellcheck disable=SC2012 # one process for all links
	for process in $(ls -l /proc/[0-9]*/fd 2>/dev/null | awk -v numbers="$1" '
		BEGIN { for (i = split(numbers, number, " "); i > 0; i--) wanted["socket:[" number[i] "]"] = 1 }
		/^\/proc\/.*\/fd:$/ { process = $1; sub(/\/fd:$/, "", process) }
		$NF in wanted { print process }
	'); do
		found=1
		tr '\0' '\n' <"$process/cmdline" 2>/dev/null | grep -qxF "$SPA_PAGE_ROOT" && continue
		cat "$process/comm" 2>/dev/null && return
	done
	[ -n "$found" ] || echo "another program"
}

# Whether a port is the page's to have. 1: the port; 2: its option.
spa_page_may_have() {
	local port="$1" holders
	# nft would take one with a zero in front for octal; and below 1024 listens only root.
	case "$port" in
	[1-9][0-9][0-9][0-9] | [1-9][0-9][0-9][0-9][0-9]) ;;
	*) port=0 ;;
	esac
	if [ "$port" -lt 1024 ] || [ "$port" -gt 65535 ]; then
		spa_page_fails "option ${2:-port} must be a port from 1024 to 65535"
		return
	fi
	SPA_PAGE_TAKEN=
	if [ -f /etc/config/uhttpd ]; then
		spa_forget_sections
		config_load uhttpd
		config_foreach spa_look_at_server uhttpd
		spa_forget_sections
	fi
	if [ -z "$SPA_PAGE_TAKEN" ]; then
		holders=$(spa_listeners "$port" | tr '\n' ' ')
		[ -z "$holders" ] || SPA_PAGE_TAKEN=$(spa_holder "$holders")
	fi
	[ -z "$SPA_PAGE_TAKEN" ] ||
		spa_page_fails "port $port is taken by $SPA_PAGE_TAKEN; write another option ${2:-port}"
}

# Makes a certificate that nobody vouches for, as uhttpd does for LuCI, and fails where there is nothing to make it with.
spa_make_certificate() {
	local maker name='' host kind=DNS subject
	for host in $SPA_PAGE_HOSTS OpenWrt; do
		name=$host
		break
	done
	case "$name" in
	*:*) kind=IP ;;
	*[!0-9.]*) ;;
	*) kind=IP ;;
	esac
	if [ -x /usr/sbin/px5g ]; then
		maker='/usr/sbin/px5g selfsigned -der'
	elif [ -x /usr/bin/openssl ]; then
		maker='/usr/bin/openssl req -x509 -sha256 -outform der -nodes'
	else
		return 1
	fi
	# Browsers mix up two of one name and number.
	subject="/C=ZZ/ST=Somewhere/L=Unknown/O=spa-knockd-$(cut -c 1-8 /proc/sys/kernel/random/uuid)/CN=$name"
	set -- -days 3650 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout "$SPA_PAGE_OWN.key.new" -out "$SPA_PAGE_OWN.crt.new" \
		-subj "$subject"
	(
		umask 077
		mkdir -p "${SPA_PAGE_OWN%/*}"
		# shellcheck disable=SC2086 # a program and its words; an older px5g knows no extensions
		$maker "$@" -addext extendedKeyUsage=serverAuth -addext "subjectAltName=$kind:$name" || $maker "$@"
	) >/dev/null 2>&1
	if [ ! -s "$SPA_PAGE_OWN.key.new" ] || [ ! -s "$SPA_PAGE_OWN.crt.new" ]; then
		rm -f "$SPA_PAGE_OWN.key.new" "$SPA_PAGE_OWN.crt.new"
		return 1
	fi
	sync
	mv "$SPA_PAGE_OWN.key.new" "$SPA_PAGE_OWN.key" && mv "$SPA_PAGE_OWN.crt.new" "$SPA_PAGE_OWN.crt" &&
		spa_note notice "a certificate for the page was made, $SPA_PAGE_OWN.crt; browsers will ask whether to trust it"
}

# Sees to it that there is a certificate and its key: those that are named, else our own, which is made once.
spa_find_certificate() {
	local file
	if [ -z "$SPA_PAGE_CERT$SPA_PAGE_KEY" ]; then
		SPA_PAGE_CERT=$SPA_PAGE_OWN.crt SPA_PAGE_KEY=$SPA_PAGE_OWN.key
		{ [ -s "$SPA_PAGE_CERT" ] && [ -s "$SPA_PAGE_KEY" ]; } || spa_make_certificate ||
			spa_page_fails "there is no certificate, nor anything to make one; $(spa_to_install px5g-mbedtls), or name one by option cert and option key" ||
			return
	fi
	for file in "$SPA_PAGE_CERT" "$SPA_PAGE_KEY"; do
		[ -s "$file" ] || spa_page_fails "$file is missing or empty; correct option cert and option key" || return
	done
}
