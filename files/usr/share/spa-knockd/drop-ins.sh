# shellcheck shell=dash
# shellcheck disable=SC2034 # the parts of the init script share their variables
# Our rules in fw4: put there while they are used, taken away again, and never left where fw4 cannot read them. The files
# whose names begin with 10 are for knocks, and with 11 for the page of one-time passwords.

SPA_TEMPLATES=/usr/share/spa-knockd/nftables
SPA_DROP_INS=/usr/share/nftables.d

# Lines "TEMPLATE PLACE", the sets before the rules that name them. 1: the zones; nothing without any.
spa_wanted_drop_ins() {
	local chain zone
	[ -n "$1" ] || return
	echo "table-pre.nft table-pre/10-spa-knockd.nft"
	[ -z "$SPA_PAGE" ] || echo "page/table-pre.nft table-pre/11-spa-knockd.nft"
	for chain in forward output dstnat srcnat; do
		echo "chain-pre/$chain.nft chain-pre/$chain/10-spa-knockd.nft"
	done
	for zone in $1; do
		echo "zone/input.nft chain-pre/input_$zone/10-spa-knockd.nft"
		echo "zone/forward.nft chain-pre/forward_$zone/10-spa-knockd.nft"
		[ -z "$SPA_PAGE" ] || echo "page/input.nft chain-pre/input_$zone/11-spa-knockd.nft"
	done
}

# The drop-ins that we have there, the rules before the sets.
spa_present_drop_ins() {
	local file
	for file in "$SPA_DROP_INS"/chain-pre/*/1[01]-spa-knockd.nft "$SPA_DROP_INS"/table-pre/1[01]-spa-knockd.nft; do
		[ ! -f "$file" ] || echo "${file#"$SPA_DROP_INS"/}"
	done
}

# Brings the drop-ins to what the zones need, each file whole or not at all, and keeps what was there before beside
# it; fw4 reads neither of the other names. Prints "changed" where it did anything; fails where it could not.
# 1: the zones.
spa_exchange_drop_ins() {
	local wanted template place file copied=
	wanted=$(spa_wanted_drop_ins "$1")
	while read -r template place; do
		[ -n "$place" ] || continue
		file="$SPA_DROP_INS/$place"
		cmp -s "$SPA_TEMPLATES/$template" "$file" && continue
		echo changed
		mkdir -p "${file%/*}" && cp "$SPA_TEMPLATES/$template" "$file.new" && chmod 0644 "$file.new" || return 1
		if [ -f "$file" ]; then
			ln -f "$file" "$file.old" || cp "$file" "$file.old" || return 1
		else
			: >"$file.none" || return 1
		fi
		copied=1
	done <<EOT
$wanted
EOT
	# Or a power cut could leave the new names with nothing behind them.
	[ -z "$copied" ] || sync
	while read -r template place; do
		file="$SPA_DROP_INS/$place"
		[ ! -f "$file.new" ] || mv "$file.new" "$file" || return 1
	done <<EOT
$wanted
EOT
	for place in $(spa_present_drop_ins); do
		echo "$wanted" | cut -d' ' -f2 | grep -qxF -e "$place" && continue
		echo changed
		file="$SPA_DROP_INS/$place"
		mv "$file" "$file.old" || return 1
	done
}

# Puts back what was there before the exchange.
spa_restore_drop_ins() {
	local file
	for file in "$SPA_DROP_INS"/chain-pre/*/1[01]-spa-knockd.nft.none "$SPA_DROP_INS"/table-pre/1[01]-spa-knockd.nft.none; do
		[ -f "$file" ] && rm -f "${file%.none}"
	done
	for file in "$SPA_DROP_INS"/table-pre/1[01]-spa-knockd.nft.old "$SPA_DROP_INS"/chain-pre/*/1[01]-spa-knockd.nft.old; do
		[ -f "$file" ] && mv "$file" "${file%.old}"
	done
	spa_tidy_drop_ins
}

# Undoes an exchange that was cut short, by the end of the power say, before fw4 had its word. Fails where there was none.
spa_mend_drop_ins() {
	local file
	for file in "$SPA_DROP_INS"/table-pre/1[01]-spa-knockd.nft.* "$SPA_DROP_INS"/chain-pre/*/1[01]-spa-knockd.nft.*; do
		[ -f "$file" ] || continue
		spa_restore_drop_ins 2>/dev/null
		return 0
	done
	return 1
}

# Whether the firewall has its table.
spa_has_fw4() {
	nft list tables 2>/dev/null | grep -qxF 'table inet fw4'
}

# Sees to it that no drop-in of ours keeps the firewall from being there: undoes what was cut short, and takes all of
# ours away where fw4 reads its rules without them only.
spa_mend_firewall() {
	local mended=
	spa_mend_drop_ins && mended=1
	[ -n "$mended$(spa_present_drop_ins)" ] && [ -x /sbin/fw4 ] || return 0
	[ -n "$mended" ] || ! spa_has_fw4 || return 0
	if ! fw4 -q check; then
		if ! spa_exchange_drop_ins '' >/dev/null 2>&1; then
			spa_restore_drop_ins 2>/dev/null
			spa_note err "the firewall cannot read its rules, and ours cannot be taken away from $SPA_DROP_INS; is the flash read-only?"
			return
		fi
		if ! fw4 -q check; then
			spa_restore_drop_ins 2>/dev/null
			spa_note err "the firewall cannot read its own rules, with or without ours; \`fw4 check\` names the mistake"
			return
		fi
		sync
		spa_tidy_drop_ins
		spa_note err "the firewall could not read our rules as they lay there, so they were taken away"
	fi
	# Does nothing where its owner has stopped it.
	fw4 -q reload
	return 0
}

# Removes what an exchange left beside the drop-ins, and empty directories.
spa_tidy_drop_ins() {
	local directory
	for directory in "$SPA_DROP_INS"/table-pre "$SPA_DROP_INS"/chain-pre/*; do
		[ -d "$directory" ] || continue
		rm -f "$directory"/1[01]-spa-knockd.nft.new "$directory"/1[01]-spa-knockd.nft.old "$directory"/1[01]-spa-knockd.nft.none
		rmdir "$directory" 2>/dev/null
	done
	return 0
}

# Puts the drop-ins in place, where anything has changed; fw4's own check decides whether they stay. Without those of
# the page, and without the page, where fw4 takes the others alone. 1: the zones.
spa_place_all_drop_ins() {
	local notes="$SPA_NOTES"
	spa_place_drop_ins "$1" && return
	[ -n "$SPA_PAGE" ] || return
	SPA_PAGE=
	SPA_NOTES="$notes"
	spa_place_drop_ins "$1" || return
	spa_page_fails "the firewall cannot read the rules of its port, or the flash is full"
	return 0
}

# The same, all or nothing. 1: the zones.
spa_place_drop_ins() {
	local changed said
	if ! changed=$(spa_exchange_drop_ins "$1" 2>/dev/null); then
		spa_restore_drop_ins 2>/dev/null
		spa_note err "the rules for the firewall cannot be written to $SPA_DROP_INS; is the flash full?"
		return 1
	fi
	# The same where the firewall is not there: spa_mend_firewall has checked them then.
	[ -n "$changed" ] || return 0
	if ! said=$(fw4 check 2>&1); then
		spa_restore_drop_ins
		if fw4 -q check; then
			spa_note err "the firewall cannot read our rules, so they were taken away again:"
		else
			spa_note err "the firewall cannot read its own rules, with or without ours; mend them first:"
		fi
		spa_note_lines err "$(echo "$said" | grep -i error | head -n 3)"
		return 1
	fi
	sync
	spa_tidy_drop_ins
	# Where the firewall has not been started, it finds them when it is.
	fw4 -q reload
	# A reload leaves sets that no file has any more.
	[ -n "$SPA_PAGE" ] || nft 'delete set inet fw4 spa_page4_v1; delete set inet fw4 spa_page6_v1; delete set inet fw4 spa_site6_v1' 2>/dev/null
	return 0
}

# Our sets and maps in fw4's table, those of other versions too: lines "set NAME" or "map NAME".
spa_list_sets() {
	nft -t list table inet fw4 2>/dev/null |
		sed -nE 's/^[[:space:]]*(set|map) (spa_[a-z]+[46]_v[0-9]+) \{.*/\1 \2/p'
}

# Shuts what knocks opened, then takes the drop-ins away, and then the sets, which no rule names any more: fw4 leaves
# them at a reload. Fails where anything is left. The daemon must have ended, for it would open again what it knows of.
spa_withdraw_drop_ins() {
	local kind name sets said failed=
	spa_mend_drop_ins
	# First, for it needs neither the flash nor rules that fw4 can read.
	sets=$(spa_list_sets)
	if [ -n "$sets" ] && ! said=$(echo "$sets" | sed -E 's/^(set|map) /flush \1 inet fw4 /' | nft -f - 2>&1); then
		spa_note err "what knocks opened may still be open, for the sets in table inet fw4 cannot be emptied:"
		spa_note_lines err "$said"
		failed=1
	fi
	if [ -n "$(spa_present_drop_ins)" ]; then
		if ! spa_exchange_drop_ins '' >/dev/null 2>&1; then
			spa_restore_drop_ins 2>/dev/null
			spa_note err "the rules cannot be removed from $SPA_DROP_INS; is the flash read-only?"
			return 1
		fi
		sync
		spa_tidy_drop_ins
	elif [ -z "$sets" ]; then
		return 0
	fi
	fw4 -q reload
	spa_list_sets | while read -r kind name; do
		nft delete "$kind" inet fw4 "$name" 2>/dev/null
	done
	if [ -n "$(spa_list_sets)" ]; then
		spa_note err "our rules and sets stay in table inet fw4, for the firewall cannot be loaded anew; \`fw4 check\` says why"
		[ -n "$failed" ] || spa_note notice "the sets are empty, so nothing is open by them; a restart of the firewall removes them"
		return 1
	fi
	[ -z "$failed" ]
}

# Whether the table of standalone mode is there.
spa_has_guard() {
	nft list table inet spa_knockd >/dev/null 2>&1
}
