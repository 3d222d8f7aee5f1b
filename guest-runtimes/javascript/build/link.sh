#!/bin/bash
# Compiles the engine and our own C, and links everything into one WASI reactor.
. "$(dirname "$0")/settings.sh"

say "compile"
rm -rf "$OBJECTS"
mkdir -p "$OBJECTS"
cd "$OBJECTS"
defines="-D_GNU_SOURCE -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_GETPID -D_WASI_EMULATED_PROCESS_CLOCKS"
compile="$CLANG -O2 -DNDEBUG $FEATURES $MAPPED $defines"
own="-std=gnu23 -Wall -Wextra -Wno-unused-parameter -Wno-macro-redefined -I$SOURCE -I$HERE -I$HERE/../python"
for name in quickjs libregexp libunicode dtoa; do
  printf '%s\n' "$compile -w -c $SOURCE/$name.c -o $name.o"
done | xargs -P "$JOBS" -I{} sh -c '{}'
for name in shim run natives files calls modules session; do
  # shellcheck disable=SC2086
  $compile $own -c "$HERE/$name.c" -o $name.o
done
# What C libraries for WASI lack is the same for every guest.
for name in paths modes opened errno; do
  # shellcheck disable=SC2086
  $compile $own -c "$HERE/../python/$name.c" -o $name.o
done

say "link"
link_options=(
  -mexec-model=reactor -Wl,--strip-debug
  # Below the data: a stack overflow traps instead of overwriting objects.
  -Wl,--stack-first -Wl,-z,stack-size=4194304
  # Room for the first objects, so that a small program never grows memory.
  -Wl,--initial-memory=12582912
  -Wl,--export=__stack_pointer -Wl,--export=guest_interrupt
  -Wl,--wrap=__wasilibc_find_abspath -Wl,--wrap=getcwd
  -Wl,--wrap=__wasi_path_filestat_get -Wl,--wrap=__wasi_fd_filestat_get
  -Wl,--wrap=__wasilibc_nocwd_fstatat -Wl,--wrap=fstat
  -Wl,--wrap=chmod -Wl,--wrap=fchmod -Wl,--wrap=fchmodat
  -Wl,--wrap=open -Wl,--wrap=mkdir -Wl,--wrap=access -Wl,--wrap=faccessat
  -Wl,--wrap=stat -Wl,--wrap=lstat -Wl,--wrap=chdir -Wl,--wrap=opendir
  -Wl,--wrap=unlink -Wl,--wrap=rmdir -Wl,--wrap=rename -Wl,--wrap=utimensat
)
# Clang would run the wasm-opt it finds on PATH with its own idea of options.
mkdir -p "$WORK/tools"
ln -sf "$(command -v clang-19)" "$(command -v wasm-ld-19)" "$WORK/tools/"
ln -sf "$(command -v wasm-ld-19)" "$WORK/tools/wasm-ld"
PATH=$WORK/tools $CLANG $FEATURES -O2 -o linked.wasm "${link_options[@]}" ./*.o \
  -lm -lwasi-emulated-signal -lwasi-emulated-getpid -lwasi-emulated-process-clocks
ls -l linked.wasm
