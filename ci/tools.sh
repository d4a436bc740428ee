# shellcheck shell=bash
# What ./check needs, installed where it is missing. Read by ./check.

tools_dir="${XDG_CACHE_HOME:-$HOME/.cache}/komandorr/tools"
python_tools="$tools_dir/python/bin"
# Where an ordinary user's PATH ends, mosquitto and ip begin.
export PATH="$tools_dir/bin:$PATH:/usr/sbin:/sbin"

nextest_version=0.9.143
cargo_deb_version=3.8.0
# Program and the Debian package that brings it.
programs=(
  "${CXX:-c++} g++" "chromium chromium" "chromedriver chromium-driver" "mosquitto mosquitto"
  "mosquitto_pub mosquitto-clients" "rabbitmq-server rabbitmq-server" "promtool prometheus"
  "curl curl" "jq jq" "ip iproute2" "openssl openssl" "python3 python3"
  "node nodejs" "debootstrap debootstrap" "dpkg-shlibdeps dpkg-dev" "systemd-analyze systemd"
)

tools() {
  rust
  debian_packages
  python_packages
  nextest
  cargo_deb
  if [[ $EUID -ne 0 ]]; then
    echo "note: the tests that need network namespaces only run as root, and you are not root"
  fi
}

rust() {
  local needed have
  needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
    stop "there is no Rust: install $needed or newer, as https://rustup.rs says"
  fi
  have=$(rustc --version | cut -d' ' -f2)
  [[ $(printf '%s\n' "$needed" "$have" | sort -V | sed -n 1p) == "$needed" ]] ||
    stop "Rust $have is too old, $needed is needed: run rustup update"
  cargo fmt --version >/dev/null 2>&1 || stop "rustfmt is missing: run rustup component add rustfmt"
  cargo clippy --version >/dev/null 2>&1 || stop "clippy is missing: run rustup component add clippy"
}

missing_packages() {
  local program package
  for entry in "${programs[@]}"; do
    read -r program package <<<"$entry"
    command -v "$program" >/dev/null || echo "$package"
  done
  # A library of Node, which a page of the documents uses.
  [[ -d /usr/share/nodejs/mqtt ]] || echo node-mqtt
  # Debian splits Python's own modules.
  ! command -v python3 >/dev/null || python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

debian_packages() {
  local missing as_root=()
  missing=$(missing_packages)
  [[ -n $missing ]] || return 0
  missing=${missing//$'\n'/ }
  [[ " $missing " != *" python3 "* ]] || missing+=" python3-venv"
  if [[ $EUID -ne 0 ]]; then as_root=(sudo); fi
  if ! command -v apt-get >/dev/null || { [[ $EUID -ne 0 ]] && ! command -v sudo >/dev/null; }; then
    stop "$(advice "$missing")"
  fi
  echo "installing $missing"
  # An array that may be empty is an error to old bash, hence the +.
  ${as_root[@]+"${as_root[@]}"} apt-get update -qq
  # shellcheck disable=SC2086 # one word per package
  ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends -o DPkg::Lock::Timeout=120 $missing
  # The tests start what they need themselves; what Debian starts would keep
  # ports, 1883 among them, and memory from Komandorr.
  local service
  for service in mosquitto rabbitmq-server prometheus; do
    if [[ " $missing " == *" $service "* && -d /run/systemd/system ]]; then
      ${as_root[@]+"${as_root[@]}"} systemctl disable --now "$service"
    fi
  done
  hash -r
  missing=$(missing_packages)
  [[ -z $missing ]] || stop "$(advice "${missing//$'\n'/ }")"
}

advice() {
  if [[ " $1 " == *" g++ "* ]]; then
    echo "there is no C++ compiler (${CXX:-c++}), and DuckDB is compiled from C++; install these (Debian's names): $1"
  else
    echo "programs that the tests need are missing; install these (Debian's names): $1"
  fi
}

python_packages() {
  "$python_tools/python" -c '' 2>/dev/null || python3 -m venv --clear "$tools_dir/python"
  # Asks nobody while the pinned versions are there.
  "$python_tools/python" -m pip install --quiet --disable-pip-version-check -r ci/requirements.txt
  # For axe-core's one script, which the browser tests put into pages; what
  # this package asks for beside it would be a second browser.
  "$python_tools/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    axe-playwright-python==0.1.8
}

# From source, since no registry has it built: 8 minutes of processor time, once.
nextest() {
  cargo nextest --version >/dev/null 2>&1 && return
  echo "installing cargo-nextest $nextest_version"
  cargo install --locked --quiet --version "$nextest_version" --root "$tools_dir" \
    --target-dir "$tools_dir/build" cargo-nextest
  rm -rf "$tools_dir/build"
}

# Quick rather than small: it packs two programs.
cargo_deb() {
  command -v cargo-deb >/dev/null && return
  echo "installing cargo-deb $cargo_deb_version"
  CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    cargo install --locked --quiet --version "$cargo_deb_version" --root "$tools_dir" \
    --target-dir "$tools_dir/build" cargo-deb
  rm -rf "$tools_dir/build"
}
