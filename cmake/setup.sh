# Sourced by ./serve and ./check: makes sure that packages are there, configures and builds.
# Nothing is installed outside apt's packages and the folder build/.

build_packages=(g++ cmake ninja-build ccache nlohmann-json3-dev libpcre2-dev libboost-dev curl ca-certificates)
test_packages=(catch2 libeigen3-dev clang libclang-rt-dev git python3 python3-venv)
build_dir=build/release

say() { if [ -t 2 ]; then printf '\033[1m%s\033[0m\n' "$*"; else printf '%s\n' "$*"; fi >&2; }

# need PACKAGE...: installs through apt what is missing, when that is allowed without a question; else prints the line.
need() {
  local missing=() package
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "No apt here; going on with what is installed. Needed are the equivalents of: $*"
    return 0
  fi
  for package in "$@"; do
    dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local as=()
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      as=(sudo)
    else
      say "Missing packages. Run this line, then start again:"
      echo "sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
      exit 2
    fi
  fi
  say "Installing through apt: ${missing[*]}"
  quietly "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update
  quietly "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

# quietly COMMAND...: what it prints goes to a log, which is shown where it fails; then that is the end.
quietly() {
  mkdir -p "$build_dir"
  "$@" >"$build_dir/setup.log" 2>&1 </dev/null || { cat "$build_dir/setup.log" >&2; say "Failed: $*"; exit 1; }
}

# configure [-DNAME=VALUE...]
configure() {
  mkdir -p "$build_dir"
  cmake --preset release "$@" >"$build_dir/configure.log" 2>&1 || { cat "$build_dir/configure.log" >&2; exit 1; }
  say "$(grep -o 'CUDA \(devices\|engines\).*' "$build_dir/configure.log")"
}
