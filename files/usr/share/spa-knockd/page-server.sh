# shellcheck shell=dash
# shellcheck disable=SC2034 # the parts of the init script share their variables
# The page's own uhttpd: its port in the firewall, and the words that procd starts it with.

# In memory, so that it is closed again after a boot; root's alone, as all of /var/run.
SPA_PAGE_RULES=/var/run/spa-knockd.page

# Prints the rules that let visitors in, at the addresses that the page listens at.
spa_page_rules() {
	local address all='' four='' six=''
	for address in $SPA_PAGE_LISTEN; do
		case "$address" in
		0.0.0.0 | ::) all=1 ;;
		*:*) six="${six:+$six, }$address" ;;
		*) four="${four:+$four, }$address" ;;
		esac
	done
	sed "s/PORT/$SPA_PAGE_PORT/" "$SPA_TEMPLATES/page/port.nft" || return
	set -- "tcp dport $SPA_PAGE_PORT ct state new counter accept comment \"spa-knockd\""
	[ -n "$all$four$six" ] && [ -z "$all" ] || echo "$1"
	[ -n "$all" ] || {
		[ -z "$four" ] || echo "ip daddr { $four } $1"
		[ -z "$six" ] || echo "ip6 daddr { $six } $1"
	}
}

# Takes the rules away, where there are any.
spa_shut_page() {
	[ -d "$SPA_PAGE_RULES" ] || return 0
	rm -rf "$SPA_PAGE_RULES"
	fw4 -q reload
	return 0
}

# Puts the rules for the page's port in place where they have changed; fw4's own check decides whether they stay.
spa_open_page() {
	local rules file="$SPA_PAGE_RULES/port.nft" said
	if [ "$SPA_FIREWALL" != fw4 ]; then
		spa_shut_page
		return 0
	fi
	rules=$(spa_page_rules) || return
	[ "$rules" != "$(cat "$file" 2>/dev/null)" ] || return 0
	if ! { mkdir -p "$SPA_PAGE_RULES" && echo "$rules" >"$file.new" && mv "$file.new" "$file"; } 2>/dev/null; then
		spa_page_fails "$SPA_PAGE_RULES cannot be written; is /var full?"
		return
	fi
	if ! said=$(fw4 check 2>&1); then
		rm -rf "$SPA_PAGE_RULES"
		spa_page_fails "the firewall cannot read its rules with those for port $SPA_PAGE_PORT:"
		spa_note_lines err "$(echo "$said" | grep -i error | head -n 3)"
		return 1
	fi
	fw4 -q reload
	return 0
}

# Prints the words -s or -p and a place for each address. 1: the option; 2: the port; the rest: the addresses.
spa_places() {
	local option="$1" port="$2" address
	shift 2
	for address; do
		case "$address" in
		# Where the kernel has no IPv6, uhttpd would only complain.
		*:*) [ ! -e /proc/net/if_inet6 ] || printf '%s\n' "$option" "[$address]:$port" ;;
		*) printf '%s\n' "$option" "$address:$port" ;;
		esac
	done
}

# Prints the words of the page's server, one a line. Its own small directory, no handler of LuCI, no list of files, no
# configuration of the other server: the program is all that can be asked for. A page is one request, so a connection
# ends with it. 1: the certificate; 2: its key.
spa_page_words() {
	local network found plain=
	# shellcheck disable=SC2046,SC2086 # lists of words
	{
		printf '%s\n' "$SPA_PAGE_SERVER" -f -c /dev/null -h "$SPA_PAGE_ROOT" -x / -I open-sesame -D \
			-n 32 -N 64 -t 20 -T 10 -k 0 -C "$1" -K "$2"
		spa_places -s "$SPA_PAGE_PORT" ${SPA_PAGE_LISTEN:-0.0.0.0 ::}
		[ "$SPA_PAGE_PLAIN" != 0 ] || return 0
		for network in $SPA_PAGE_NETWORKS; do
			found=
			network_get_ipaddrs found "$network" && plain="$plain $found"
			found=
			network_get_ipaddrs6 found "$network" && plain="$plain $found"
		done
		spa_places -p "$SPA_PAGE_PLAIN" $(spa_once "$plain")
	}
}

# Copies the certificate or its key to where the page's user may read it, where it differs. 1: from; 2: to.
spa_lend() {
	(
		umask 077
		cmp -s "$1" "$2" || { cp "$1" "$2.new" && chgrp "$SPA_PAGE_USER" "$2.new" && chmod 0640 "$2.new" && mv "$2.new" "$2"; }
	) 2>/dev/null
}

# Writes down how the page's server is started.
spa_write_page() {
	local file="$SPA_RESOLVED/page" cert="$SPA_RESOLVED/page.crt" key="$SPA_RESOLVED/page.key"
	{
		spa_lend "$SPA_PAGE_CERT" "$cert" && spa_lend "$SPA_PAGE_KEY" "$key" &&
			spa_page_words "$cert" "$key" >"$file.new" && mv "$file.new" "$file"
	} 2>/dev/null || spa_page_fails "$SPA_RESOLVED cannot be written; is /var full?"
}

# Has everything in its place for the page's server, or says why not.
spa_prepare_page() {
	if [ -n "$SPA_PAGE" ]; then
		[ "$SPA_PAGE_PLAIN" = 0 ] || [ -n "$SPA_PAGE_NETWORKS" ] ||
			spa_note warn "option plain_port needs list plain_network, for the page answers without TLS only at its addresses"
		spa_page_is_installed && spa_page_may_have "$SPA_PAGE_PORT" &&
			{ [ "$SPA_PAGE_PLAIN" = 0 ] || spa_page_may_have "$SPA_PAGE_PLAIN" plain_port; } &&
			spa_find_certificate && spa_write_page && spa_open_page && return
	fi
	rm -f "$SPA_RESOLVED/page" "$SPA_RESOLVED/page.crt" "$SPA_RESOLVED/page.key"
}

# Adds the page's server as it was written down, and fails where it was not. It is never root.
spa_add_page() {
	local word
	[ -f "$SPA_RESOLVED/page" ] || return
	set --
	while read -r word; do set -- "$@" "$word"; done <"$SPA_RESOLVED/page"
	procd_open_instance page
	procd_set_param command "$@"
	# A new certificate is a new server.
	procd_set_param file "$SPA_RESOLVED/page.crt" "$SPA_RESOLVED/page.key"
	procd_set_param respawn 3600 30 0
	procd_set_param stderr 1
	procd_set_param limits core=0 as=67108864 nofile=128
	procd_set_param user "$SPA_PAGE_USER"
	procd_set_param group "$SPA_PAGE_USER"
	procd_close_instance
}

# Prints how the page is, where it was started.
spa_print_page() {
	[ -f "$SPA_RESOLVED/page" ] || return 0
	if procd_running spa-knockd page; then
		echo "  the page of one-time passwords answers at $(grep -A 1 -x -e '-[sp]' "$SPA_RESOLVED/page" | grep : | tr '\n' ' ' | sed 's/ $//; s/ /, /g')"
	else
		echo "  the page of one-time passwords ended by itself; logread -e uhttpd says why"
	fi
}
