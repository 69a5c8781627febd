#!/bin/bash
# What the 2015 bootcmd did, on a tree below $1: the same files as `boot` writes, each synced as `boot` does.
set -eu
root=$1
# as `boot`: a directory that was made is synced into its parent
make_directory() {
  [ -d "$1" ] && return
  make_directory "${1%/*}"
  mkdir "$1"
  sync "${1%/*}"
}
put() { # put FILE: standard input to FILE, synced, renamed into place, directory synced
  local dir=${1%/*}
  make_directory "$dir"
  cat >"$1.new"
  sync "$1.new"
  mv "$1.new" "$1"
  sync "$dir"
}

host=$(grep local-hostname "$root/var/cloud-init/meta-data" | cut -d: -f2 | tr -d '[:space:]')
host=${host%%.*}
cluster=a1=http://192.168.99.51:2380,a2=http://192.168.99.52:2380,a3=http://192.168.99.53:2380
ip=${cluster#*"$host"=}
ip=${ip%%:2380*}
ip=${ip#*//}

make_directory "$root/var/lib/etcd/$host.etcd"
put "$root/etc/group" <<END
docker:x:999:
END
put "$root/etc/etcd/etcd.conf" <<END
ETCD_NAME=$host
ETCD_DATA_DIR="/var/lib/etcd/$host.etcd"
ETCD_LISTEN_PEER_URLS="http://$ip:2380"
ETCD_LISTEN_CLIENT_URLS="http://localhost:2379,http://$ip:2379"
ETCD_INITIAL_ADVERTISE_PEER_URLS="http://$ip:2380"
ETCD_INITIAL_CLUSTER="$cluster"
ETCD_INITIAL_CLUSTER_STATE="new"
ETCD_INITIAL_CLUSTER_TOKEN="diy-cluster"
ETCD_ADVERTISE_CLIENT_URLS="http://$ip:2379"
END
put "$root/etc/systemd/system/etcd.service.d/restart.conf" <<END
[Service]
Restart=on-failure
RestartSec=1
END
put "$root/etc/sysconfig/flanneld" <<END
FLANNEL_ETCD=http://127.0.0.1:2379
FLANNEL_ETCD_KEY=/admin/flannel
END
put "$root/etc/systemd/system/flanneld.service.d/init.conf" <<END
[Service]
ExecStartPre=/usr/bin/etcdctl set /admin/flannel/config {\"Network\":\"172.18.0.0/16\"}
Restart=on-failure
RestartSec=1
END
put "$root/etc/modules-load.d/diyc-agent.conf" <<END
br_netfilter
vxlan
END
put "$root/etc/systemd/network/50-diyc-agent-flannel.link" <<END
[Match]
OriginalName=flannel*
END
put "$root/etc/systemd/system/docker.service.d/zz-diyc-agent.conf" <<END
[Unit]
After=flanneld.service
END
# the journal: intent and commit
put "$root/var/lib/diyc-agent/journal.jsonl" <<END
{}
END
echo '{}' >>"$root/var/lib/diyc-agent/journal.jsonl"
sync "$root/var/lib/diyc-agent/journal.jsonl"
