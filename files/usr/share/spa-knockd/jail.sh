# shellcheck shell=dash
# shellcheck disable=SC2034 # the parts of the init script share their variables
# procd's jail around the daemon, where it can do its work there.

# Whether a stanza has the daemon start programs. 1: the section.
spa_look_for_programs() {
	local enabled commands look_up
	config_get_bool enabled "$1" enabled 1
	config_get commands "$1" command
	config_get_bool look_up "$1" nat_dns 0
	[ "$enabled" = 1 ] || return 0
	[ -z "$commands" ] && [ "$look_up" = 0 ] || SPA_PROGRAMS=1
}

# Whether the jail serves the configuration that was loaded: programs are started by root's helper, and a port below
# 1024 is root's.
spa_fits_jail() {
	local wanted port
	[ -x /sbin/ujail ] || return 1
	config_get_bool wanted main jail 1
	config_get port main tcp_listen 0
	SPA_PROGRAMS=
	config_foreach spa_look_for_programs access
	[ "$wanted" = 1 ] && [ -z "$SPA_PROGRAMS" ] || return 1
	[ "$port" = 0 ] || [ "$port" -ge 1024 ]
}

# Whether a file has no other name, which could be one of root's files elsewhere. 1: the file.
spa_has_one_name() {
	# shellcheck disable=SC2012 # a router's find may know nothing of links
	ls -lnd "$1" | awk '{ exit $2 != 1 }'
}

# Hands over the store of one-time passwords, which root's commands may have made. It is the daemon's to move, so this
# goes inside it first, and looks where that is.
spa_hand_over_store() {
	local state=/etc/spa-knockd/state file
	[ -d $state/otp ] && [ ! -L $state/otp ] || return 0
	(
		cd $state/otp && [ "$(pwd -P)" = "$(cd $state && pwd -P)/otp" ] && chown spa-knockd:spa-knockd . || exit
		for file in ./* ./.[!.]*; do
			if [ -f "$file" ] && [ ! -L "$file" ] && spa_has_one_name "$file"; then
				chown -h spa-knockd:spa-knockd "$file" || exit
			fi
		done
	)
}

# Makes the directories of a daemon that never was root, and hands its files over, which root's commands may have
# written anew. Fails where there is no user, or no room.
spa_hand_over() {
	local directory file group mode owner
	# Of root's number or group, it would be none.
	awk -F : '$1 == "spa-knockd" { found = $3 != 0 && $4 != 0; exit } END { exit !found }' /etc/passwd || return 1
	mkdir -p /etc/spa-knockd || return 1
	for directory in /etc/spa-knockd/state /var/run/spa-knockd; do
		group=spa-knockd mode=0700
		# The page's program finds its socket there, and cannot see what else there is.
		[ "$directory" = /var/run/spa-knockd ] && [ -n "$SPA_PAGE_WANTED" ] && grep -q "^$SPA_PAGE_USER:" /etc/group &&
			group=$SPA_PAGE_USER mode=2710
		[ -d "$directory" ] || mkdir -m 0700 "$directory" || return 1
		[ ! -L "$directory" ] && chown "spa-knockd:$group" "$directory" && chmod "$mode" "$directory" || return 1
		for file in state.json journal lock control.sock web.sock; do
			[ -e "$directory/$file" ] || continue
			if ! spa_has_one_name "$directory/$file"; then
				spa_note warn "$directory/$file has another name, so it is not handed over to the daemon; remove it"
				continue
			fi
			owner=spa-knockd:spa-knockd
			# The page's program has its socket by the group.
			[ "$file" != web.sock ] || owner=spa-knockd
			chown -h "$owner" "$directory/$file" || return 1
		done
	done
	spa_hand_over_store
}

# Adds the jail to the instance. The daemon gives up its rights by itself where there is none.
spa_add_jail() {
	procd_add_jail spa-knockd procfs
	procd_add_jail_mount "$SPA_RESOLVED"
	procd_add_jail_mount_rw /etc/spa-knockd/state /var/run/spa-knockd
	procd_set_param capabilities /etc/capabilities/spa-knockd.json
	procd_set_param user spa-knockd
	procd_set_param group spa-knockd
	procd_set_param no_new_privs 1
	# The filter is a preloaded library's work: a daemon that is linked statically goes without it.
	[ -e /lib/libpreload-seccomp.so ] && procd_set_param seccomp /etc/seccomp/spa-knockd.json
	return 0
}
