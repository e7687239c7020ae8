# shellcheck shell=dash
# Stands in for procd and its shell functions: it runs the instances, restarts one where what was set for it has changed,
# stops one that was not set any more, and remembers the triggers. A jail, a user and limits are recorded and not made.
# The files of the first instance have no suffix; those of another one end in a dot and its name.

PROCD=/tmp/procd

procd_open_service() {
	mkdir -p "$PROCD"
	rm -f "$PROCD"/new* "$PROCD"/command*
	: >"$PROCD/triggers"
}
procd_open_instance() {
	PROCD_NAME=${1:+.$1}
	: >"$PROCD/new$PROCD_NAME"
}
procd_set_param() {
	echo "$*" >>"$PROCD/new$PROCD_NAME"
	case $1 in
	command)
		shift
		printf '%s\n' "$@" >"$PROCD/command$PROCD_NAME"
		;;
	file)
		shift
		md5sum "$@" >>"$PROCD/new$PROCD_NAME"
		;;
	esac
}
procd_add_jail() { echo "jail $*" >>"$PROCD/new$PROCD_NAME"; }
procd_add_jail_mount() { echo "mount $*" >>"$PROCD/new$PROCD_NAME"; }
procd_add_jail_mount_rw() { echo "mount_rw $*" >>"$PROCD/new$PROCD_NAME"; }
procd_close_instance() { :; }
procd_add_reload_trigger() { echo "config $*" >>"$PROCD/triggers"; }
procd_add_reload_interface_trigger() { echo "interface $*" >>"$PROCD/triggers"; }
procd_add_raw_trigger() { echo "event $*" >>"$PROCD/triggers"; }

# The suffix of an instance as it is asked for.
procd_suffix() { [ "$1" = instance1 ] || echo ".$1"; }
procd_lives() { [ -f "$PROCD/pid$1" ] && kill -0 "$(cat "$PROCD/pid$1")" 2>/dev/null; }
procd_running() { procd_lives "$(procd_suffix "${2?an instance}")"; }
procd_end() {
	! procd_lives "$1" || kill "$(cat "$PROCD/pid$1")"
	rm -f "$PROCD/instance$1"
}
procd_kill() {
	local name
	if [ -n "$2" ]; then
		procd_end "$(procd_suffix "$2")"
		return
	fi
	for name in '' .page; do procd_end "$name"; done
}
procd_close_service() {
	local name
	service_triggers
	for name in '' .page; do procd_settle "$name"; done
}
procd_settle() {
	local word name="$1"
	if [ ! -f "$PROCD/new$name" ]; then
		procd_end "$name"
		return
	fi
	if procd_lives "$name"; then
		if cmp -s "$PROCD/new$name" "$PROCD/instance$name"; then return; fi
		procd_end "$name"
		while procd_lives "$name"; do sleep 0.05; done
	fi
	mv "$PROCD/new$name" "$PROCD/instance$name"
	echo started >>"$PROCD/starts$name"
	set --
	while read -r word; do set -- "$@" "$word"; done <"$PROCD/command$name"
	"$@" </dev/null >>/tmp/daemon.log 2>&1 &
	echo $! >"$PROCD/pid$name"
}
