#!/bin/bash
# Compiles our own C and links everything into one WASI reactor.
. "$(dirname "$0")/settings.sh"

say "link"
cd "$FROZEN"
defines="-D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_GETPID -D_WASI_EMULATED_PROCESS_CLOCKS"
includes="-I$INTERPRETER -I$SOURCE/Include -I$SOURCE/Include/internal -I$LIBRARIES/include -I$HERE"
includes+=" -I$SOURCE/Modules/_hacl -I$SOURCE/Modules/_hacl/include"
for name in shim calls zone paths modes locks opened allocate derive generator errno; do
  $CLANG -O2 -DNDEBUG -Wall -Wextra -Wno-macro-redefined $FEATURES $MAPPED $defines $includes -c "$HERE/$name.c" -o $name.o
done
$CLANG -O2 $FEATURES $MAPPED $defines $includes -c frozen.c -o frozen_table.o
$CLANG -c frozen.s -o frozen_blob.o

# Clang would run the wasm-opt it finds on PATH with its own idea of options.
link_options=(
  -mexec-model=reactor -Wl,--strip-debug
  # Below the data: a stack overflow traps instead of overwriting objects.
  -Wl,--stack-first -Wl,-z,stack-size=8388608
  # Room for the first arenas, so that a small program never grows memory.
  -Wl,--initial-memory=41943040
  -Wl,--export=__stack_pointer -Wl,--export=guest_interrupt
  -Wl,--wrap=localtime_r -Wl,--wrap=mktime
  -Wl,--wrap=__wasilibc_find_abspath -Wl,--wrap=getcwd
  -Wl,--wrap=__wasi_path_filestat_get -Wl,--wrap=__wasi_fd_filestat_get
  -Wl,--wrap=__wasilibc_nocwd_fstatat -Wl,--wrap=fstat
  -Wl,--wrap=chmod -Wl,--wrap=fchmod -Wl,--wrap=fchmodat
  -Wl,--wrap=open -Wl,--wrap=mkdir -Wl,--wrap=access -Wl,--wrap=faccessat
  -Wl,--wrap=_PyMutex_LockTimed
  -Wl,--wrap=stat -Wl,--wrap=lstat -Wl,--wrap=chdir -Wl,--wrap=opendir
  -Wl,--wrap=unlink -Wl,--wrap=rmdir -Wl,--wrap=rename -Wl,--wrap=utimensat
  -Wl,--wrap=PyObject_Malloc -Wl,--wrap=PyObject_Free
)
PATH=$(without_wasm_opt) $CLANG $FEATURES -O2 -o linked.wasm "${link_options[@]}" \
  shim.o calls.o zone.o paths.o modes.o locks.o opened.o allocate.o derive.o generator.o errno.o frozen_table.o frozen_blob.o \
  "$INTERPRETER/libpython$PYTHON_MAJOR.a" \
  "$INTERPRETER"/Modules/_decimal/libmpdec/libmpdec.a "$INTERPRETER"/Modules/expat/libexpat.a \
  "$INTERPRETER"/Modules/_hacl/libHacl_Hash_SHA2.a \
  -L"$LIBRARIES/lib" -lsqlite3 -lz -lbz2 -llzma -ldl -lm \
  -lwasi-emulated-signal -lwasi-emulated-getpid -lwasi-emulated-process-clocks -lwasi-emulated-mman
ls -l linked.wasm
