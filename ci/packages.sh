#!/usr/bin/env bash
# The Debian packages: built from the programs that are there, installed by dpkg
# for real, used, removed and purged. The machine's folders are overlaid within a
# mount namespace, so nothing of it stays.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(realpath "${CARGO_TARGET_DIR:-target}")

fail() { echo "packages: $*" >&2; exit 1; }

if [[ ${1:-} != --here ]]; then
  for program in dpkg-shlibdeps systemd-analyze cargo-deb; do
    command -v "$program" >/dev/null || { echo "packages: LEFT OUT: $program is not here"; exit 0; }
  done
  [[ $EUID -eq 0 ]] || { echo "packages: LEFT OUT: only root may install packages, and you are not root"; exit 0; }
  deploy/packages.sh --no-build
  exec unshare --mount --pid --net --fork --kill-child --mount-proc "$0" --here
fi

layers=$(mktemp -d)
mount -t tmpfs packages "$layers"
for place in etc usr var; do
  mkdir -p "$layers/$place" "$layers/$place-work"
  mount -t overlay packages -o "lowerdir=/$place,upperdir=$layers/$place,workdir=$layers/$place-work" "/$place"
done
ip link set lo up

there() { for path in "$@"; do [[ -e $path ]] || fail "$path is not there"; done; }
gone() { for path in "$@"; do [[ ! -e $path ]] || fail "$path is still there"; done; }

dpkg -i "$target"/debian/*.deb >"$layers/log" 2>&1 || { cat "$layers/log"; fail "dpkg -i failed"; }
there /usr/bin/komandorr{,-agent} /usr/share/man/man1/komandorr{,-demo,-agent,-agent-check}.1.gz \
  /usr/share/bash-completion/completions/komandorr{,-agent} /usr/share/zsh/vendor-completions/_komandorr{,-agent} \
  /usr/share/fish/vendor_completions.d/komandorr{,-agent}.fish /etc/komandorr/{komandorr.toml,agent.env,agent.token}
[[ $(stat -c %a /etc/komandorr/agent.token) == 600 ]] || fail "others may read the token"
bash -n /usr/share/bash-completion/completions/komandorr{,-agent}

# The units, with the programs that they start.
units=(komandorr.service komandorr-agent.service)
systemd-analyze verify --man=no "${units[@]}"
for unit in "${units[@]}"; do
  # Tenths: under 2.0.
  systemd-analyze security --offline=true --threshold=19 "$unit" | tail -1
done

# The server as the unit starts it, with the file that the package brought.
start=$(sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/komandorr.service)
# shellcheck disable=SC2086 # program and arguments
KOMANDORR_STORAGE_PATH=/var/lib/komandorr/komandorr.duckdb $start 2>"$layers/log" &
deadline=$((SECONDS + 60))
until curl -fs http://127.0.0.1:3000/readyz >/dev/null; do
  ((SECONDS < deadline)) || { cat "$layers/log"; fail "the installed server does not get ready"; }
  sleep 0.1
done
kill %1
wait %1 || fail "the installed server does not stop cleanly"

dpkg --remove komandorr komandorr-agent >/dev/null 2>&1
gone /usr/bin/komandorr{,-agent} /usr/lib/systemd/system/komandorr{,-agent}.service
there /var/lib/komandorr/komandorr.duckdb /etc/komandorr/komandorr.toml
dpkg --purge komandorr komandorr-agent >/dev/null 2>&1
gone /var/lib/komandorr /etc/komandorr
echo "packages: installed, started, removed and purged"
