# Versions, folders and compiler flags shared by every step. Sourced, not run.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
WORK=${WORK:?set WORK to the folder to build in}
JOBS=${JOBS:-$(nproc)}

export LC_ALL=C.UTF-8 TZ=UTC

DOWNLOADS=$WORK/downloads
SOURCE=$WORK/source
SYSROOT=$WORK/sysroot/usr
OBJECTS=$WORK/objects

# The package of PyPI that carries the sources of QuickJS-ng 0.17.0.
QUICKJS=quickjs_ng-0.17.0.2
WASI_LIBC="wasi-libc=0.0~git20241209.574b88d-2"

# What every engine we support has had for years. No exceptions, no threads.
FEATURES="-mbulk-memory -msign-ext -mnontrapping-fptoint -mmutable-globals"
# Paths of the build machine must not reach the image.
MAPPED="-ffile-prefix-map=$WORK=/build -ffile-prefix-map=$HERE=/guest"
CLANG="clang-19 --target=wasm32-wasi --sysroot=$SYSROOT"

say() { printf '== %s\n' "$*"; }
