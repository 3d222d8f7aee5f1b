#!/bin/bash
# Gets every source, by the machine's own package configuration, and checks it.
. "$(dirname "$0")/settings.sh"
. "$HERE/../toolchain/debian.sh"

fetch_debian() {
  (cd "$DOWNLOADS" && sha256sum --status -c "$HERE/build/sources.sha256" 2>/dev/null) && return
  configure_apt
  cd "$DOWNLOADS"
  apt-get -qq source --download-only "python3.13=$PYTHON_VERSION-$DEBIAN_REVISION"
  apt-get -qq download "${DEBIAN_PACKAGES[@]}"
  sha256sum --quiet -c "$HERE/build/sources.sha256"
}

fetch_zones() {
  python3 -m pip download -q --no-deps --require-hashes --only-binary :all: \
    -d "$DOWNLOADS" -r "$HERE/build/requirements.txt"
}

fetch_crates() {
  rm -rf "$WORK/crates"
  cp -r "$HERE/build/crates" "$WORK/crates"
  touch "$WORK/crates/none.rs"
  (cd "$WORK/crates" && cargo vendor -q --locked vendor >/dev/null)
}

unpack_python() {
  local patches=$WORK/debian-patches
  rm -rf "$SOURCE" "$patches"
  mkdir -p "$SOURCE" "$patches"
  tar -xJf "$DOWNLOADS/python3.13_$PYTHON_VERSION.orig.tar.xz" --strip-components=1 -C "$SOURCE"
  tar -xJf "$DOWNLOADS/python3.13_$PYTHON_VERSION-$DEBIAN_REVISION.debian.tar.xz" -C "$patches"
  # Only Debian's corrections; its packaging changes do not fit another target.
  for patch in $(awk '{ print $1 }' "$patches/debian/patches/series" |
    grep -E '^(CVE-|ssl-|dict-|traverse-|issue127330)'); do
    patch -d "$SOURCE" -p1 -s <"$patches/debian/patches/$patch"
  done
  for patch in "$HERE"/build/patches/*.patch; do
    patch -d "$SOURCE" -p1 -s <"$patch"
  done
}

unpack_packages() {
  rm -rf "$WORK/sysroot" "$WORK/build-python"
  mkdir -p "$WORK/sysroot" "$WORK/build-python"
  for package in "$DOWNLOADS"/*.deb; do
    case $package in
      */wasi-libc_*) dpkg -x "$package" "$WORK/sysroot" ;;
      *) dpkg -x "$package" "$WORK/build-python" ;;
    esac
  done
  # Whatever is compiled for the target sees the error numbers of Linux.
  cp "$HERE/errno.h" "$SYSROOT/include/wasm32-wasi/errno.h"
  # Debian's Python of the very version we build, with its own C library.
  cat >"$BUILD_PYTHON" <<'END'
#!/bin/sh
d=$(dirname "$(readlink -f "$0")")
exec "$d/usr/lib64/ld-linux-x86-64.so.2" --library-path "$d/usr/lib/x86_64-linux-gnu" \
  --argv0 "$d/usr/bin/python3.13" "$d/usr/bin/python3.13" "$@"
END
  chmod +x "$BUILD_PYTHON"
}

say "sources"
mkdir -p "$DOWNLOADS"
fetch_debian
fetch_zones
fetch_crates
unpack_python
unpack_packages
