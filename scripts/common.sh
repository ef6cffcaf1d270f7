# Shared by scripts/try and scripts/test: what must be on the machine, and installing pinned packages once.
# Sourced, never run. Must never install anything outside this repository.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*" >&2; }

# missing WHAT FIX: remembers one missing thing; `all_present` prints them together.
problems=()
missing() { problems+=("$1"$'\n'"    fix: $2"); }

all_present() {
  if [ "${#problems[@]}" -gt 0 ]; then
    say "this needs a few things first:"
    local problem
    for problem in "${problems[@]}"; do say "  - $problem"; done
    exit 2
  fi
}

check_prerequisites() {
  command -v git >/dev/null || missing "git is not there" "apt install git"
  command -v cc >/dev/null || missing "no C compiler (cc): the embedded database is compiled" "apt install gcc libc6-dev"
  if ! command -v cargo >/dev/null; then
    missing "cargo is not there" "install rustup (https://rustup.rs); it reads rust-toolchain.toml by itself"
  elif ! (cd "$root" && cargo --version >/dev/null 2>&1); then
    missing "cargo cannot use the toolchain of rust-toolchain.toml" "rustup toolchain install $(pinned_toolchain)"
  fi
  local node
  node=$(node --version 2>/dev/null || echo v0)
  node=${node#v}
  [ "${node%%.*}" -ge 20 ] || missing "Node 20 or newer is not there (found: $node)" "install Node from https://nodejs.org or your distribution"
  command -v npm >/dev/null || missing "npm is not there" "it comes with Node; on Debian: apt install npm"
  if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    missing "Python 3.11 or newer is not there" "apt install python3"
  elif ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    missing "Python cannot make virtual environments" "apt install python3-venv"
  fi
  all_present
}

pinned_toolchain() { sed -n 's/^channel *= *"\(.*\)"/\1/p' "$root/rust-toolchain.toml"; }

# current DIRECTORY FILE...: true when DIRECTORY was installed from exactly these files by these versions.
stamp_of() { { cat "$@"; node --version; python3 --version; uname -m; } | sha256sum | cut -d' ' -f1; }
current() {
  local directory=$1
  shift
  [ -f "$directory/.stamp" ] && [ "$(cat "$directory/.stamp")" = "$(stamp_of "$@")" ]
}
installed() {
  local directory=$1
  shift
  stamp_of "$@" >"$directory/.stamp"
}

# npm_packages DIRECTORY LOCK_DIRECTORY: the packages of a committed lock file, none of their install scripts run.
npm_packages() {
  local directory=$1 lock=$2
  current "$directory" "$lock/package.json" "$lock/package-lock.json" && return
  say "installing npm packages of ${lock#"$root"/}"
  rm -rf "$directory"
  mkdir -p "$directory"
  cp "$lock/package.json" "$lock/package-lock.json" "$directory/"
  (cd "$directory" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  installed "$directory" "$lock/package.json" "$lock/package-lock.json"
}

# python_packages DIRECTORY REQUIREMENTS MORE...: a virtual environment; MORE are files that REQUIREMENTS includes.
python_packages() {
  local directory=$1 requirements=$2
  shift 2
  current "$directory" "$requirements" "$@" && return
  say "installing Python packages of ${requirements#"$root"/}"
  rm -rf "$directory"
  python3 -m venv "$directory"
  "$directory/bin/python" -m pip --quiet --disable-pip-version-check install -r "$requirements" >&2
  installed "$directory" "$requirements" "$@"
}
