#!/bin/bash
# Compiles the C libraries that CPython's modules need into static archives.
. "$(dirname "$0")/settings.sh"

mkdir -p "$LIBRARIES/include" "$LIBRARIES/lib"

# archive NAME "FLAGS" FILES...
archive() {
  local name=$1 flags=$2 objects=$LIBRARIES/objects/$1
  shift 2
  rm -rf "$objects" "$LIBRARIES/lib/lib$name.a"
  mkdir -p "$objects"
  for file in "$@"; do
    echo "$CLANG -O2 -DNDEBUG $FEATURES $MAPPED $flags -c $file -o $objects/$(basename "$file" .c).o"
  done | xargs -P "$JOBS" -I{} sh -c '{}'
  $AR rcsD "$LIBRARIES/lib/lib$name.a" "$objects"/*.o
}

zlib() {
  local d=$CRATES/libz-sys/src/zlib
  archive z "-I$d -DHAVE_UNISTD_H" \
    "$d"/{adler32,compress,crc32,deflate,infback,inffast,inflate,inftrees,trees,uncompr,zutil}.c
  cp "$d"/zlib.h "$d"/zconf.h "$LIBRARIES/include"
}

bzip2() {
  local d=$CRATES/bzip2-sys/bzip2-1.0.8
  archive bz2 "-I$d" "$d"/{blocksort,huffman,crctable,randtable,compress,decompress,bzlib}.c
  cp "$d"/bzlib.h "$LIBRARIES/include"
}

xz() {
  local d=$CRATES/lzma-sys/xz-5.2/src flags files
  flags="-DHAVE_STDINT_H -DHAVE_STDBOOL_H -DHAVE_STRING_H -DHAVE_INTTYPES_H -DTUKLIB_SYMBOL_PREFIX=lzma_"
  # Skips mythread.h: without threads it still wants sigprocmask(), for nothing.
  flags+=" -DMYTHREAD_H"
  flags+=" -DHAVE_CHECK_CRC32 -DHAVE_CHECK_CRC64 -DHAVE_CHECK_SHA256"
  for filter in LZMA1 LZMA2 DELTA X86 ARM ARMTHUMB POWERPC IA64 SPARC; do
    flags+=" -DHAVE_ENCODER_$filter -DHAVE_DECODER_$filter"
  done
  for finder in BT2 BT3 BT4 HC3 HC4; do flags+=" -DHAVE_MF_$finder"; done
  for folder in api lzma lz check simple delta common rangecoder; do
    flags+=" -I$d/liblzma/$folder"
  done
  # Without the tools that make tables, the small variants and the threads.
  files=$(find "$d"/liblzma/{common,lzma,lz,check,delta,rangecoder,simple} -name '*.c' \
    ! -name '*tablegen.c' ! -name '*_small.c' ! -name '*_mt.c' ! -name 'outqueue.c' \
    ! -name 'hardware_*.c' | sort)
  # shellcheck disable=SC2086
  archive lzma "$flags -I$d/common -std=c99" $files
  cp -r "$d"/liblzma/api/lzma.h "$d"/liblzma/api/lzma "$LIBRARIES/include"
}

sqlite() {
  local d=$CRATES/libsqlite3-sys/sqlite3 flags
  # One thread, no memory maps; scratch data stays in memory instead of the
  # workspace. Locks and the index of a write-ahead log are those of the process.
  flags="-D_WASI_EMULATED_MMAN -D_WASI_EMULATED_GETPID -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS"
  flags+=" -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_OMIT_SHARED_CACHE"
  flags+=" -DSQLITE_DEFAULT_MEMSTATUS=0 -DSQLITE_MAX_MMAP_SIZE=0 -DSQLITE_TEMP_STORE=2 -DSQLITE_DISABLE_LFS"
  flags+=" -include $HERE/modes.h"
  flags+=" -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_MATH_FUNCTIONS"
  flags+=" -DSQLITE_ENABLE_COLUMN_METADATA -DSQLITE_ENABLE_DBSTAT_VTAB"
  archive sqlite3 "-I$d $flags" "$HERE/sqlite.c"
  cp "$d/sqlite3.h" "$LIBRARIES/include"
}

say "libraries"
zlib
bzip2
xz
sqlite
