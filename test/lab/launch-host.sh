#!/bin/bash
# The mains and the mainboard of one lab host: wires its network, boots it, and boots it again when it reboots.
#
# Bash because the inner half has to run after unshare, as the process that becomes systemd-nspawn.
# All values come as environment variables from host.ts; nothing is guessed here.
set -eu

if [ "${1:-}" = inner ]; then
  # private mount namespace: what is mounted here disappears with the host
  mount -t overlay overlay -o "lowerdir=$LAB_IMAGE:$LAB_BASE,upperdir=$LAB_DIR/upper,workdir=$LAB_DIR/work" "$LAB_DIR/root"
  # a pure v2 view: nspawn cannot set up its cgroup on a hybrid layout
  mount -t cgroup2 none /sys/fs/cgroup
  mkdir -p "/sys/fs/cgroup/$LAB_CGROUP"
  echo $$ >"/sys/fs/cgroup/$LAB_CGROUP/cgroup.procs"
  # keeps nspawn's runtime state to itself; the machine need not run systemd
  mkdir -p /run/systemd
  mount -t tmpfs -o mode=755 none /run/systemd
  # started inside the network namespace (not --network-namespace-path) so that /sys shows the host's own links;
  # without this variable /proc/sys/net would be read-only and forwarding could not be set
  export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
  init=()
  [ -z "${LAB_CMDLINE:-}" ] || init=("$LAB_CMDLINE")
  # docker wants all capabilities, the keyring and bpf, and a /var/lib/docker that is not an overlay itself
  exec systemd-nspawn --quiet --register=no --keep-unit --boot --settings=no \
    --machine="$LAB_MACHINE" --hostname=localhost --directory="$LAB_DIR/root" \
    --capability=all --system-call-filter=add_key --system-call-filter=keyctl --system-call-filter=bpf \
    --bind="$LAB_DIR/docker:/var/lib/docker" --bind="$LAB_DIR/containerd:/var/lib/containerd" \
    --resolv-conf=off --timezone=off --link-journal=no --console=read-only -- "${init[@]}"
fi

wire() {
  # a reboot takes flannel.1, docker0, routes and firewall rules with it, so the namespace is made anew at each boot;
  # the MAC stays, as a network card's does
  ip -n "$LAB_SWITCH" link del "$LAB_PORT" 2>/dev/null || true
  ip netns del "$LAB_NETNS" 2>/dev/null || true
  ip netns add "$LAB_NETNS"
  ip -n "$LAB_SWITCH" link add "$LAB_PORT" type veth peer name eth0 address "$LAB_MAC" netns "$LAB_NETNS"
  ip -n "$LAB_SWITCH" link set "$LAB_PORT" master br0 up
  # forwarding is inherited from the machine; a fresh host has it off, and docker behaves differently then
  nsenter --net="/run/netns/$LAB_NETNS" sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
  ip -n "$LAB_NETNS" link set lo up
  ip -n "$LAB_NETNS" addr add "$LAB_ADDRESS/24" dev eth0
  ip -n "$LAB_NETNS" link set eth0 up
}

rc=133
boots=0
# with --keep-unit a reboot inside ends nspawn with 133 instead of being looped over by nspawn itself
while [ "$rc" = 133 ]; do
  boots=$((boots + 1))
  echo "## boot $boots at $(date +%s.%N)"
  wire
  rc=0
  nsenter --net="/run/netns/$LAB_NETNS" unshare --mount --propagation private bash "$0" inner || rc=$?
  echo "## nspawn ended with $rc at $(date +%s.%N)"
done
# a host without power has no link: its address must not answer (the namespace goes with the next boot or with the lab)
ip -n "$LAB_SWITCH" link del "$LAB_PORT" 2>/dev/null || true
