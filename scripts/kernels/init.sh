#!/bin/sh
# PID 1 of a guest that runs the kernel tests: mounts what a running system has, runs /job, reports, ends the machine.
# Test output goes to the second serial port; the first is the kernel's own console.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
mount -t securityfs securityfs /sys/kernel/security
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for module in /modules/*; do insmod "$module"; done
ifconfig lo 127.0.0.1 up
stty -F /dev/ttyS1 raw -echo
exec </dev/null >/dev/ttyS1 2>&1
read -r NONCE </nonce
cd /hello-ebpf || echo "Cannot enter /hello-ebpf"
. /environment
sh /job
status=$?
echo "$NONCE report"
cat /tmp/junit.xml 2>/dev/null
echo
echo "$NONCE exit $status"
sync
# Waits until all of it is sent (TCSADRAIN): the machine would go down with what is still in the port's buffer.
stty -F /dev/ttyS1 raw
reboot -f
