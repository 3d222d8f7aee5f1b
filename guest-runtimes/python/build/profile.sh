#!/bin/bash
# Measures which paths of CPython are hot, and writes cpython.profdata.zst.
#
# The compiler numbers the branches of a source file the same way for every
# target, so an instrumented build for the build machine tells what a build for
# WebAssembly wants to know. Run it when CPython's version or train.py changes;
# build.sh uses the file that is in the repository. Needs libclang-rt-19-dev.
. "$(dirname "$0")/settings.sh"

say "profile"
native=$WORK/native
rm -rf "$native" "$WORK"/train-*.profraw
mkdir -p "$native"
cd "$native"
# Nothing that runs during the build may count.
export LLVM_PROFILE_FILE=/dev/null
# The target has no computed goto, so the profile must not have any either.
CC=clang-19 CFLAGS="-O1 -g0 -fprofile-instr-generate" LDFLAGS="-fprofile-instr-generate" \
PKG_CONFIG=false ac_cv_file__dev_ptmx=no ac_cv_file__dev_ptc=no ac_cv_buggy_getaddrinfo=no \
  "$SOURCE/configure" -q --host=x86_64-pc-linux-gnu --build=x86_64-unknown-linux-gnu \
  --with-build-python="$BUILD_PYTHON" --with-computed-gotos=no --without-ensurepip \
  --disable-test-modules --disable-ipv6 --with-pymalloc --without-mimalloc
make -s -j"$JOBS" all >/dev/null
LLVM_PROFILE_FILE=$WORK/train-%m.profraw PYTHONHASHSEED=1 ./python "$HERE/build/train.py"
llvm-profdata-19 merge -sparse -o "$WORK/cpython.profdata" "$WORK"/train-*.profraw
zstd -q -f -19 "$WORK/cpython.profdata" -o "$HERE/build/cpython.profdata.zst"
