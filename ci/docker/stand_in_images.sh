#!/usr/bin/env bash
# Makes the base images where no registry has them: stand-ins under the same
# names, out of Debian's packages and this machine's own Rust toolchain, crates
# and compiled DuckDB. An image that is there, or can be pulled, is left alone.
#
#   ci/docker/stand_in_images.sh [IMAGE ...]    without IMAGE: rust, what the Dockerfile needs
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

rust_version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
debian=komandorr-stand-in-debian
packages=ca-certificates,g++,tzdata,caddy,mosquitto
# Marks what was made here; its value tells what it was made of.
label=komandorr.stand-in
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() { echo "stand-ins: $*" >&2; exit 1; }

made_of() { docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$1" 2>/dev/null || true; }

# The image is the real one, or a stand-in made of the same things.
is_there() { # IMAGE KEY
  docker image inspect "$1" >/dev/null 2>&1 || { timeout 60 docker pull --quiet "$1" >/dev/null 2>&1; return; }
  local have
  have=$(made_of "$1")
  [[ -z $have || $have == "$2" ]]
}

build() { # IMAGE KEY, the folder $scratch/context holds the Dockerfile
  DOCKER_BUILDKIT=0 docker build --quiet --label "$label=$2" --tag "$1" "$scratch/context" >/dev/null 2>"$scratch/log" ||
    { cat "$scratch/log" >&2; fail "cannot make $1"; }
  rm -rf "$scratch/context"
}

make_debian() {
  [[ $(made_of "$debian") != "$packages" ]] || return 0
  command -v debootstrap >/dev/null || fail "debootstrap is missing"
  echo "stand-ins: Debian, by debootstrap"
  local mirror
  # Where this machine itself gets its packages.
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' | sed -n 's/ bookworm$//p' | sed -n 1p)
  debootstrap --variant=minbase --include="$packages" bookworm "$scratch/debian" ${mirror:+"$mirror"} \
    >"$scratch/log" 2>&1 || { tail -5 "$scratch/log" >&2; fail "debootstrap failed"; }
  rm -rf "$scratch/debian"/var/{cache/apt/archives,lib/apt/lists}/*
  tar -C "$scratch/debian" -c . | docker import --change "LABEL $label=$packages" - "$debian" >/dev/null
  rm -rf "$scratch/debian"
}

# The shared library that DuckDB's releases have, out of the archive that this
# machine's build has compiled from the same sources.
make_duckdb() { # FOLDER
  mkdir -p "$1"
  g++ -shared -s -o "$1/libduckdb.so" -Wl,-soname,libduckdb.so -Wl,--gc-sections \
    -Wl,--whole-archive "$(duckdb_archive)" -Wl,--no-whole-archive -lpthread -ldl
}

duckdb_archive() {
  # shellcheck disable=SC2012 # the newest of ours
  ls -t "${CARGO_TARGET_DIR:-target}"/debug/build/libduckdb-sys-*/out/libduckdb.a 2>/dev/null | sed -n 1p
}

make_rust() { # IMAGE
  local archive key context=$scratch/context sysroot
  archive=$(duckdb_archive)
  [[ -n $archive ]] || fail "this machine's DuckDB is not compiled yet: run cargo build first"
  key=$( (rustc -vV; sed -n '/"libduckdb-sys"/,/^$/p' Cargo.lock; sha256sum <Cargo.lock; cat "${BASH_SOURCE[0]}") |
    sha256sum | cut -c1-16)
  ! is_there "$1" "$key" || return 0
  make_debian
  echo "stand-ins: $1, from this machine's toolchain, crates and DuckDB"
  cargo fetch --locked --quiet --target "$(rustc -vV | sed -n 's/^host: //p')"
  sysroot=$(rustc --print sysroot)
  mkdir -p "$context"/{toolchain/bin,cargo/registry}
  cp -a "$sysroot"/bin/{cargo,rustc} "$context/toolchain/bin/"
  cp -a "$sysroot/lib" "$context/toolchain/"
  cp -a "${CARGO_HOME:-$HOME/.cargo}"/registry/{index,cache} "$context/cargo/registry/"
  make_duckdb "$context/duckdb"
  cat >"$context/Dockerfile" <<END
FROM $debian
COPY toolchain /usr/local
COPY duckdb /opt/duckdb
COPY cargo /usr/local/cargo
ENV CARGO_HOME=/usr/local/cargo CARGO_NET_OFFLINE=true DUCKDB_LIB_DIR=/opt/duckdb
END
  build "$1" "$key"
}

make_caddy() { # IMAGE
  ! is_there "$1" "$packages" || return 0
  make_debian
  mkdir "$scratch/context"
  cat >"$scratch/context/Dockerfile" <<END
FROM $debian
ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data
WORKDIR /srv
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
END
  build "$1" "$packages"
}

make_mosquitto() { # IMAGE
  ! is_there "$1" "$packages" || return 0
  make_debian
  mkdir "$scratch/context"
  cat >"$scratch/context/Dockerfile" <<END
FROM $debian
RUN mkdir -p /mosquitto/config /mosquitto/data && chown -R mosquitto /mosquitto
USER mosquitto
CMD ["/usr/sbin/mosquitto", "-c", "/mosquitto/config/mosquitto.conf"]
END
  build "$1" "$packages"
}

[[ $# -gt 0 ]] || set -- "rust:$rust_version-bookworm"
for image in "$@"; do
  case $image in
    rust:*) make_rust "$image" ;;
    caddy:*) make_caddy "$image" ;;
    eclipse-mosquitto:*) make_mosquitto "$image" ;;
    *) fail "no stand-in is known for $image" ;;
  esac
done
