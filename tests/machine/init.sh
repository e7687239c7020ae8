#!/bin/busybox sh
# The first process of the machine: loads the modules, runs the test program and switches off.
# shellcheck shell=dash
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
/bin/busybox --install -s /bin
for module in /modules/*; do
	insmod "$module" || echo "machine: $module does not load"
done
ip link set lo up
status=0
# shellcheck disable=SC2046 # a list of words
/test $(cat /arguments) || status=$?
echo "machine: ended with $status"
# The emulator ends instead of beginning anew.
reboot -f
