# Versions, folders and compiler flags shared by every step. Sourced, not run.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
WORK=${WORK:?set WORK to the folder to build in}
JOBS=${JOBS:-$(nproc)}

# One date for everything that wants one: the release of CPython 3.13.5.
export SOURCE_DATE_EPOCH=1749600000 LC_ALL=C.UTF-8 TZ=UTC PYTHONHASHSEED=0

DOWNLOADS=$WORK/downloads
SOURCE=$WORK/source
CRATES=$WORK/crates/vendor
SYSROOT=$WORK/sysroot/usr
BUILD_PYTHON=$WORK/build-python/python
LIBRARIES=$WORK/libraries
INTERPRETER=$WORK/interpreter
FROZEN=$WORK/frozen

PYTHON_VERSION=3.13.5
PYTHON_MAJOR=3.13
DEBIAN_REVISION=2+deb13u5
TZDATA=tzdata-2026.6-py2.py3-none-any.whl
# The C library of the target; a Python of the same version that runs here, and
# what it is linked to: in whatever version Debian has now, since older ones
# vanish from its mirrors, and nothing of it reaches the image.
DEBIAN_PACKAGES=(
  "wasi-libc=0.0~git20241209.574b88d-2"
  "python3.13-minimal=$PYTHON_VERSION-$DEBIAN_REVISION"
  "libpython3.13-minimal=$PYTHON_VERSION-$DEBIAN_REVISION"
  "libpython3.13-stdlib=$PYTHON_VERSION-$DEBIAN_REVISION"
  libc6 libexpat1 zlib1g
)

# What every engine we support has had for years. No exceptions, no threads.
FEATURES="-mbulk-memory -msign-ext -mnontrapping-fptoint -mmutable-globals"
# Paths of the build machine must not reach the image.
MAPPED="-ffile-prefix-map=$WORK=/build"
CLANG="clang-19 --target=wasm32-wasi --sysroot=$SYSROOT"
AR=llvm-ar-19
RANLIB=llvm-ranlib-19

say() { printf '== %s\n' "$*"; }

# A PATH with the compiler but no wasm-opt.
without_wasm_opt() {
  mkdir -p "$WORK/tools"
  ln -sf "$(command -v clang-19)" "$(command -v wasm-ld-19)" "$WORK/tools/"
  ln -sf "$(command -v wasm-ld-19)" "$WORK/tools/wasm-ld"
  printf '%s' "$WORK/tools"
}
