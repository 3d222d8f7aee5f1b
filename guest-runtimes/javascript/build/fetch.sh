#!/bin/bash
# Gets every source, by the machine's own package configuration, and checks it.
. "$(dirname "$0")/settings.sh"
. "$HERE/../toolchain/debian.sh"

# The C library of the target.
fetch_debian() {
  (cd "$DOWNLOADS" && sha256sum --status -c "$HERE/build/sources.sha256" 2>/dev/null) && return
  configure_apt
  (cd "$DOWNLOADS" && apt-get -qq download "$WASI_LIBC" && sha256sum --quiet -c "$HERE/build/sources.sha256")
}

# pip looks into the package of sources with whatever it needs for that; nothing of
# it is kept.
fetch_engine() {
  python3 -m pip download -q --no-deps --require-hashes --no-binary :all: \
    -d "$DOWNLOADS" -r "$HERE/build/requirements.txt"
}

unpack() {
  rm -rf "$SOURCE" "$WORK/sysroot"
  mkdir -p "$SOURCE" "$WORK/sysroot"
  tar -xzf "$DOWNLOADS/$QUICKJS.tar.gz" --strip-components=2 -C "$SOURCE" "$QUICKJS/upstream-quickjs"
  for patch in "$HERE"/build/patches/*.patch; do
    patch -d "$SOURCE" -p1 -s <"$patch"
  done
  dpkg -x "$DOWNLOADS"/wasi-libc_*.deb "$WORK/sysroot"
  # Whatever is compiled for the target sees the error numbers of Linux.
  cp "$HERE/../python/errno.h" "$SYSROOT/include/wasm32-wasi/errno.h"
}

say "sources"
mkdir -p "$DOWNLOADS"
fetch_debian
fetch_engine
unpack
