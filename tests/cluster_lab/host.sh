#!/usr/bin/env bash
# PID 1 of a lab host. Started by lab.py in namespaces of its own: gives itself a root file system, starts sshd if
# there are keys to log in with, says "ready" and reaps orphans for ever. When it dies the kernel ends the whole host.
#
#   HOST_NAME      its name                          HOST_MOUNT   an empty folder to build the root file system in
#   HOST_SHARED    folder that all hosts see at /shared: the lab's network file system
#   HOST_OVERLAYS  folders, one a line, that the host must see although they lie below a folder that it has anew
#   HOST_KEYS      file of public keys that may log in; none: no sshd
#   HOST_KEY       sshd's own key                    HOST_USER    who may log in (root, or an account that is made)
#   HOST_RC        file that becomes the user's .bashrc
set -euo pipefail
umask 022
mount --make-rprivate /
mount -t tmpfs -o size=4g lab "$HOST_MOUNT"
cd "$HOST_MOUNT"
root=$PWD/root

layer() { # layer LOWER TARGET NAME: TARGET shows LOWER; what is written there stays in this host
  mkdir -p "$HOST_MOUNT/$3.up" "$HOST_MOUNT/$3.work" "$2"
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$HOST_MOUNT/$3.up,workdir=$HOST_MOUNT/$3.work" "$2"
}

layer / "$root" root
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs cgroup "$root/sys/fs/cgroup"        # a machine of one CPU, as Ray counts them
echo "100000 100000" >"$root/sys/fs/cgroup/cpu.max"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o size=1g shm "$root/dev/shm"      # its own object store
mount -t tmpfs tmp "$root/tmp"                     # its own /tmp/ray
mount -t tmpfs run "$root/run"
mount -t tmpfs -o mode=711 home "$root/root"       # a fresh machine: no tokens, no keys, no settings of a person
chmod 1777 "$root/tmp"
mkdir -p "$root/run/sshd" "$root/shared"
mount --bind "$HOST_SHARED" "$root/shared"
number=0
while read -r folder; do
  [ -z "$folder" ] || layer "$folder" "$root$folder" "overlay$((number += 1))"
done <<<"$HOST_OVERLAYS"
hostname "$HOST_NAME"
echo "127.0.0.1 localhost" >"$root/etc/hosts"

home=/root
if [ "$HOST_USER" != root ]; then
  home=/home/$HOST_USER
  chroot "$root" id "$HOST_USER" >/dev/null 2>&1 || chroot "$root" useradd --create-home --shell /bin/bash --password '*' "$HOST_USER"
fi
cp "$HOST_RC" "$root$home/.bashrc"
mkdir -m 700 "$root$home/.ssh"
if [ -n "$HOST_KEYS" ]; then
  install -m 600 "$HOST_KEYS" "$root$home/.ssh/authorized_keys"
  install -m 600 "$HOST_KEY" "$root/etc/ssh/lab_host_key"
fi
chroot "$root" chown -R "$HOST_USER:" "$home/.bashrc" "$home/.ssh"

cd "$root"
pivot_root . mnt
umount -l /mnt
path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ -n "$HOST_KEYS" ]; then
  env -i PATH=$path HOME=/root "$(PATH=$path command -v sshd)" -D -e -f /dev/null -h /etc/ssh/lab_host_key \
    -o UsePAM=no -o PasswordAuthentication=no -o PermitRootLogin=prohibit-password \
    -o MaxStartups=100 -o MaxSessions=100 </dev/null >/dev/null &
fi
echo ready
exec >/dev/null
while :; do wait -n || sleep 1; done
