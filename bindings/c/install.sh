#!/bin/sh
# Builds the library and installs it: the header, the static and the shared library, and what pkg-config and CMake read.
#
#     bindings/c/install.sh [PREFIX]       # default: /usr/local
#
# DESTDIR is put before PREFIX, for packages. CARGO_BUILD_TARGET names another target than this machine. For Linux.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
prefix=${1:-/usr/local}
root=${DESTDIR:-}$prefix
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/Cargo.toml")
soname=libsepconv.so.${version%.*}

target=${CARGO_TARGET_DIR:-$here/target}
cargo build --release --locked --manifest-path "$here/Cargo.toml" --target-dir "$target"
built=$target/${CARGO_BUILD_TARGET:+$CARGO_BUILD_TARGET/}release

mkdir -p "$root/include" "$root/lib/pkgconfig" "$root/lib/cmake/sepconv"
install -m 644 "$here/include/sepconv.h" "$root/include"
install -m 644 "$built/libsepconv.a" "$root/lib"
install -m 755 "$built/libsepconv.so" "$root/lib/libsepconv.so.$version"
ln -sf "libsepconv.so.$version" "$root/lib/$soname"
ln -sf "$soname" "$root/lib/libsepconv.so"

filled() { sed -e "s|@VERSION@|$version|g" -e "s|@SONAME@|$soname|g" -e "s|@PREFIX@|$prefix|g" "$here/packaging/$1.in"; }
filled sepconv.pc > "$root/lib/pkgconfig/sepconv.pc"
filled sepconvConfig.cmake > "$root/lib/cmake/sepconv/sepconvConfig.cmake"
filled sepconvConfigVersion.cmake > "$root/lib/cmake/sepconv/sepconvConfigVersion.cmake"
echo "installed sepconv $version in $root"
