# shellcheck shell=dash
# Stands in for procd and its shell functions: it runs one instance, restarts it where what was set for it has
# changed, stops it where none was set, and remembers the triggers. A jail is recorded and not built.

PROCD=/tmp/procd

procd_open_service() {
	mkdir -p "$PROCD"
	rm -f "$PROCD/new" "$PROCD/command"
	: >"$PROCD/triggers"
}
procd_open_instance() { : >"$PROCD/new"; }
procd_set_param() {
	echo "$*" >>"$PROCD/new"
	[ "$1" != command ] || {
		shift
		printf '%s\n' "$@" >"$PROCD/command"
	}
}
procd_add_jail() { echo "jail $*" >>"$PROCD/new"; }
procd_add_jail_mount() { echo "mount $*" >>"$PROCD/new"; }
procd_add_jail_mount_rw() { echo "mount_rw $*" >>"$PROCD/new"; }
procd_close_instance() { :; }
procd_add_reload_trigger() { echo "config $*" >>"$PROCD/triggers"; }
procd_add_reload_interface_trigger() { echo "interface $*" >>"$PROCD/triggers"; }

procd_running() { [ -f "$PROCD/pid" ] && kill -0 "$(cat "$PROCD/pid")" 2>/dev/null; }
procd_kill() {
	! procd_running || kill "$(cat "$PROCD/pid")"
	rm -f "$PROCD/instance"
}
procd_close_service() {
	service_triggers
	if [ ! -f "$PROCD/new" ]; then
		procd_kill
		return
	fi
	if procd_running; then
		if cmp -s "$PROCD/new" "$PROCD/instance"; then return; fi
		procd_kill
		while procd_running; do sleep 0.05; done
	fi
	mv "$PROCD/new" "$PROCD/instance"
	echo started >>"$PROCD/starts"
	local word
	set --
	while read -r word; do set -- "$@" "$word"; done <"$PROCD/command"
	"$@" </dev/null >>/tmp/daemon.log 2>&1 &
	echo $! >"$PROCD/pid"
}
