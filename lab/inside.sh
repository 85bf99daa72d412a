#!/bin/sh
# Runs in the guest as root, as the last thing that its init does: makes the file system fast and writable where tests
# need it, puts the variant into force and proves it, runs the command, and writes its exit status into the out folder.
# Everything it needs to know is in OUT/request.sh, written by lab/guest.py.
set -u
exec 2>&1
OUT=$1
. "$OUT/request.sh"

fail() {
    echo "lab: $*"
    echo "$*" > "$OUT/failed"
    sync
    exit 125
}

# The guest's root comes over 9p without any cache: `import pytest` takes 12 s. A second export of the same files, with
# a cache, is laid over what matters. Changes made outside while the guest runs are not seen, which is well.
mkdir -p /run/lab/host /run/lab/modules
mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000 lab.host /run/lab/host ||
    fail "cannot mount the files of the host"
mount --bind /run/lab/host/usr /usr || fail "cannot lay a cache over /usr"
[ ! -d /boot ] || mount --bind "/run/lab/host$LAB_KERNEL/boot" /boot
mount -t tmpfs -o mode=1777 tmpfs /tmp
hash -r

# What an ordinary user must be able to reach may lie below a folder that is closed to him, as /root is, or below one
# that was just covered. Closed folders are covered with open ones in the guest alone; no mode is changed.
for covered in $LAB_COVERED; do
    mount -t tmpfs -o mode=755 tmpfs "$covered"
done
for shown in $LAB_SHOWN; do
    mkdir -p "$shown" && mount --bind "/run/lab/host$shown" "$shown" || fail "cannot show $shown"
done

# Modules by name: kmod looks in /lib/modules alone.
if [ -d /usr/lib/modules ]; then
    mount -t tmpfs -o mode=755 tmpfs /usr/lib/modules
    ln -s "/run/lab/host$LAB_KERNEL/lib/modules/$(uname -r)" "/usr/lib/modules/$(uname -r)"
fi

KDIAG_LAB_DISK=
if [ -n "$LAB_DISK" ]; then
    modprobe virtio_scsi && modprobe sd_mod || fail "cannot load the modules of the scratch disk"
    for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        for disk in /sys/block/sd*; do
            [ ! -e "$disk" ] || KDIAG_LAB_DISK=/dev/${disk##*/}
        done
        [ -z "$KDIAG_LAB_DISK" ] || break
        sleep 0.5
    done
    [ -b "$KDIAG_LAB_DISK" ] || fail "the scratch disk did not appear"
fi

# QEMU is root and makes files for whoever asks, but as root's: an ordinary user cannot write to his own file a second
# time. He gets a folder in memory, which is copied at the end.
RESULTS=$OUT
if [ "$KDIAG_LAB_USER" != root ]; then
    RESULTS=/run/lab-results
    mkdir -p -m 1777 "$RESULTS"
fi
mkdir -p -m 1777 /tmp/home
export HOME=/tmp/home TMPDIR=/tmp LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
export KDIAG_LAB=1 KDIAG_LAB_KERNEL KDIAG_LAB_VARIANT KDIAG_LAB_USER KDIAG_LAB_OUT="$RESULTS" KDIAG_LAB_DISK KDIAG_LAB_ROOT
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# How often the tests that kill kdiag at any moment do so (100 elsewhere): each takes half a minute under emulation.
export KDIAG_KILLS=4
export PYTEST_ADDOPTS="-p no:cacheprovider"

if [ -n "$LAB_PREPARE" ]; then
    sh -c "$LAB_PREPARE" || fail "cannot prepare the variant: $LAB_PREPARE"
fi

# A root of its own for the container: the folders of the host bound one by one, a /proc of its own, the host at /host.
enter_container() {
    mount -t tmpfs -o mode=755 tmpfs /mnt
    root=/mnt/container
    mkdir -p $root
    for entry in /*; do
        name=${entry#/}
        if [ -L "$entry" ]; then
            ln -s "$(readlink "$entry")" "$root/$name"
        elif [ -d "$entry" ] && [ "$name" != proc ] && [ "$name" != host ] && [ "$name" != mnt ]; then
            mkdir "$root/$name" && mount --rbind "$entry" "$root/$name"
        fi
    done
    mkdir -p $root/host $root/proc $root/mnt
    mount --rbind / $root/host
}

as_user() {
    if [ "$KDIAG_LAB_USER" = root ]; then
        "$@"
    else
        setpriv --reuid "$KDIAG_LAB_USER" --regid nogroup --clear-groups --inh-caps=-all --bounding-set=-all "$@"
    fi
}

in_place() {
    if [ "$LAB_PLACE" = container ]; then
        # --fork: the first child is PID 1 of the new namespace; its /proc is mounted inside.
        unshare --mount --pid --fork -- sh -c \
            'mount -t proc proc /mnt/container/proc && exec chroot /mnt/container "$@"' sh "$@"
    else
        as_user "$@"
    fi
}

[ "$LAB_PLACE" != container ] || enter_container
in_place sh -c "$LAB_PROOF" > "$OUT/proof" 2>&1 || fail "the variant $KDIAG_LAB_VARIANT is not in force: $LAB_PROOF"

uname -r > "$OUT/release"
cut -d' ' -f1 /proc/uptime > "$OUT/booted"
in_place sh -c 'cd "$1" && shift && exec "$@"' sh "$LAB_FOLDER" sh "$OUT/command.sh"
status=$?
cut -d' ' -f1 /proc/uptime > "$OUT/ended"
[ "$RESULTS" = "$OUT" ] || cp -r "$RESULTS/." "$OUT/" || fail "cannot bring the results out"
echo $status > "$OUT/status"
sync
exit $status
