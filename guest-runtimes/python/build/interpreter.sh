#!/bin/bash
# Configures and compiles CPython for WASI: libpython and the archives its
# built-in modules need.
. "$(dirname "$0")/settings.sh"

# What a native build of the same sources was seen to do (see profile.sh).
# Functions that differ between the two targets have no profile; that is normal.
profile=$WORK/cpython.profdata
zstd -q -d -f "$HERE/build/cpython.profdata.zst" -o "$profile"
use_profile="-fprofile-instr-use=$profile -Wno-profile-instr-unprofiled"
use_profile+=" -Wno-profile-instr-out-of-date -Wno-backend-plugin"

configure_interpreter() {
  local l=$LIBRARIES
  CC=$CLANG CPP="$CLANG -E" CXX=$CLANG AR=$AR RANLIB=$RANLIB \
  CFLAGS="-O3 -g0 $FEATURES $MAPPED $use_profile -include $WORK/modes.h" \
  CONFIG_SITE=$HERE/config.site PKG_CONFIG=false \
  ZLIB_CFLAGS="-I$l/include" ZLIB_LIBS="-L$l/lib -lz" \
  BZIP2_CFLAGS="-I$l/include" BZIP2_LIBS="-L$l/lib -lbz2" \
  LIBLZMA_CFLAGS="-I$l/include" LIBLZMA_LIBS="-L$l/lib -llzma" \
  LIBSQLITE3_CFLAGS="-I$l/include" LIBSQLITE3_LIBS="-L$l/lib -lsqlite3 -lwasi-emulated-mman" \
  "../source/configure" -q --host=wasm32-wasip1 --build=x86_64-pc-linux-gnu \
    --with-build-python="$BUILD_PYTHON" --prefix=/usr \
    --without-ensurepip --disable-test-modules --disable-ipv6 --with-pymalloc --without-mimalloc
}

say "interpreter"
# Objects of an earlier build are no use with another errno.h, which make does
# not watch.
[ "$INTERPRETER/Makefile" -nt "$HERE/errno.h" ] || rm -rf "$INTERPRETER"
mkdir -p "$INTERPRETER"
# From a folder whose name does not reach the image.
cp "$HERE/modes.h" "$WORK/modes.h"
cd "$INTERPRETER"
[ -e Makefile ] || configure_interpreter
make -s -j"$JOBS" "libpython$PYTHON_MAJOR.a" \
  Modules/_decimal/libmpdec/libmpdec.a Modules/expat/libexpat.a Modules/_hacl/libHacl_Hash_SHA2.a
# Writes _sysconfigdata. The command after that fails, because it wants to run
# the target's python; the file is all we need.
make -s pybuilddir.txt >/dev/null 2>&1 || true
ls build/lib.*/_sysconfigdata*.py >/dev/null
