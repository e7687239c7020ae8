#!/bin/sh
# shellcheck shell=dash disable=SC1090
# What our package's scripts meet as /lib/functions.sh on a router: what runs, in the order seen on the real one.

# The files of the package $1 below directory $2, as the package manager has noted them.
listed() { grep "^$2/" "$IPKG_INSTROOT/usr/lib/opkg/info/$1.list"; }

# Runs the package's own part, $1.$2-pkg, as opkg's packages have it; apk's have it in the script itself.
own_part() {
	local part="$IPKG_INSTROOT/usr/lib/opkg/info/$1.$2-pkg"
	[ ! -f "$part" ] || (. "$part")
}

default_postinst() {
	local name file status=0
	name=${pkgname:-$(basename "${1%.*}")}
	echo "user $(sed -n 's/^Require-User: //p' "$IPKG_INSTROOT/usr/lib/opkg/info/$name.control")" >>/log
	if [ -z "$IPKG_INSTROOT" ]; then
		for file in $(listed "$name" /etc/uci-defaults); do
			(. "$file") && rm "$file"
		done
	fi
	own_part "$name" postinst || status=$?
	for file in $(listed "$name" /etc/init.d); do
		if [ -n "$IPKG_INSTROOT" ]; then
			echo "rc.common enable" >>/log
			continue
		fi
		[ "$PKG_UPGRADE" = 1 ] || "$file" enable
		"$file" start
	done
	return "$status"
}

default_prerm() {
	local name file status=0
	name=${pkgname:-$(basename "${1%.*}")}
	own_part "$name" prerm || status=$?
	for file in $(listed "$name" /etc/init.d); do
		if [ -n "$IPKG_INSTROOT" ]; then
			echo "rc.common disable" >>/log
			continue
		fi
		[ "$PKG_UPGRADE" = 1 ] || "$file" disable
		"$file" stop
	done
	return "$status"
}
