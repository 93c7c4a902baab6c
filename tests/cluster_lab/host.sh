#!/usr/bin/env bash
# PID 1 of a virtual host. virtual_hosts.py starts it in new namespaces. It makes a root file system, starts sshd if
# there are keys, prints "ready" and waits for ended processes. When it ends, the kernel ends the whole host.
#
#   HOST_NAME      its name                          HOST_MOUNT   an empty folder to build the root file system in
#   HOST_SHARED    folder that all hosts mount at /shared, like a network file system
#   HOST_OVERLAYS  folders, one a line, that the host must see although it gets the folder around them new
#   HOST_KEYS      file of public keys that may log in; if empty there is no sshd
#   HOST_KEY       sshd's own key                    HOST_USER    account that may log in (created if it is not root)
#   HOST_RC        file that becomes the user's .bashrc
set -euo pipefail
umask 022
mount --make-rprivate /
mount -t tmpfs -o size=4g host "$HOST_MOUNT"
cd "$HOST_MOUNT"
root=$PWD/root

layer() { # layer LOWER TARGET NAME: mount LOWER at TARGET; only this host sees what is written there
  mkdir -p "$HOST_MOUNT/$3.up" "$HOST_MOUNT/$3.work" "$2"
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$HOST_MOUNT/$3.up,workdir=$HOST_MOUNT/$3.work" "$2"
}

layer / "$root" root
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs cgroup "$root/sys/fs/cgroup"        # Ray counts one CPU
echo "100000 100000" >"$root/sys/fs/cgroup/cpu.max"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o size=1g shm "$root/dev/shm"      # the object store
mount -t tmpfs tmp "$root/tmp"                     # for /tmp/ray
mount -t tmpfs run "$root/run"
mount -t tmpfs -o mode=711 home "$root/root"       # as on a new machine: no tokens, keys or settings
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
