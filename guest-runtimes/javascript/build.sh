#!/bin/bash
# Builds javascript.wasm.zst and notes its digests in runtime.toml.
#
#   build.sh [WORK]
#
# WORK is the folder to build in. The machine: Debian 12, with the packages that
# README.md names, Rust, and the network that its package managers are configured
# for.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
export WORK=${1:-$here/../../target/guest-javascript}
mkdir -p "$WORK"
WORK=$(cd "$WORK" && pwd)

# belljar-image shares a crate with the catalogue, which embeds the image.
if [ -z "${BELLJAR_IMAGE:-}" ]; then
  touch -a "$here/javascript.wasm.zst"
  cargo build --release --locked --manifest-path "$here/../Cargo.toml" \
    --features image-builder --bin belljar-image --target-dir "$WORK/rust"
  export BELLJAR_IMAGE=$WORK/rust/release/belljar-image
fi

for step in fetch link image; do
  "$here/build/$step.sh"
done
