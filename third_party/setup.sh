# shellcheck shell=bash
# Sourced by tests/run and tools/demo: installs what is missing on a Debian/Ubuntu machine, and says what.
#   install_packages GROUP...    groups as in packages.txt
#   check_cmake                  whether it is there, and new enough

packages_of() {
  local list=$1 group
  shift
  for group in "$@"; do awk -v group="$group" '$1 == group { print $2 }' "$list"; done
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

has_candidate() {
  local policy
  policy=$(apt-cache policy "$1" 2>/dev/null)
  [[ $policy == *"Candidate: "* && $policy != *"Candidate: (none)"* ]]
}

# Says what to type where there is no CMake, or one that is too old.
check_cmake() {
  command -v cmake >/dev/null || { echo "There is no CMake: sudo apt-get install cmake" >&2; return 1; }
  cmake -P third_party/requirements.cmake
}

install_packages() {
  local list=third_party/packages.txt package missing=() wanted=() as_root=()
  ! command -v cmake >/dev/null || check_cmake  # no package would replace it
  if ! command -v apt-get >/dev/null; then
    echo "no apt-get here: going on with what is installed ($list says what is needed)"
    return 0
  fi
  for package in $(packages_of "$list" "$@" optional); do is_installed "$package" || missing+=("$package"); done
  if [ ${#missing[@]} -eq 0 ]; then
    echo "packages: all installed"
    return 0
  fi
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "not root and no sudo: install these first: ${missing[*]}" >&2; return 1; }
    as_root=(sudo)
  fi
  [[ ${missing[*]} != *:arm64* ]] || "${as_root[@]}" dpkg --add-architecture arm64
  echo "packages: reading the package lists"
  "${as_root[@]}" apt-get update -qq </dev/null
  for package in "${missing[@]}"; do
    if has_candidate "$package"; then wanted+=("$package"); else echo "packages: no $package in this distribution"; fi
  done
  [ ${#wanted[@]} -gt 0 ] || return 0
  echo "packages: installing ${wanted[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${wanted[@]}" </dev/null >/dev/null
}
