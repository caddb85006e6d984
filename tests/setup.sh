# setup.sh - for demos/run and tests/run: install what a bare Debian machine lacks, and build.
# shellcheck shell=bash
#
# Sourced, not run. Each need names a package and the one thing by which to see that it is there, so
# that a machine that has everything is left alone: no root, no network.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
missing=()

need() { # need PACKAGE command|header|library|file NAME        (file: a pattern)
    case $2 in
    command) command -v "$3" >/dev/null ;;
    header)  [ -e "/usr/include/$3" ] || [ -e "/usr/local/include/$3" ] ;;
    file)    compgen -G "$3" >/dev/null ;;
    library) command -v pkg-config >/dev/null && pkg-config --exists "$3" ;;
    esac || missing+=("$1")
}

need_build() {
    need gcc         command cc
    need libc6-dev   header  stdio.h    # only recommended by gcc
    need meson       command meson
    need ninja-build command ninja
    need libcsv-dev  header  csv.h
    need zlib1g-dev  header  zlib.h
    need pkg-config  command pkg-config     # finds zlib and jansson
    need libjansson-dev header jansson.h
}

install_missing() {
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null; then
        echo "Please install what these Debian packages hold: ${missing[*]}" >&2
        return 1
    fi
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "Please run as root: apt-get install ${missing[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "Installing: ${missing[*]}"
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# Lines and names are what a failing test needs of the debugger; the rest of it costs a quarter of the compilers' time.
lines=(-Ddebug=false -Dc_args=-g1 -Dcpp_args=-g1)

# build NAME OPTION... : configure and compile build/NAME, or only the targets in `wanted`; what meson says is shown
# only if it fails, what the compilers say always.
wanted=()
build() {
    local folder=$root/build/$1 log=$root/build/$1.log verb=setup
    shift
    mkdir -p "$root/build"
    [ ! -e "$folder/meson-private/coredata.dat" ] || verb=configure
    if [ $verb = setup ]; then
        meson setup "$folder" "$root" "$@" >"$log" 2>&1
    else
        meson configure "$folder" "$@" >"$log" 2>&1
    fi && ninja -C "$folder" --quiet "${wanted[@]}" || { cat "$log" >&2; return 1; }
}
