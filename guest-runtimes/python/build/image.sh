#!/bin/bash
# Initialises the linked guest, compresses the image and notes its digests.
. "$(dirname "$0")/settings.sh"

say "image"
image=$WORK/python.wasm
"${BELLJAR_IMAGE:?set BELLJAR_IMAGE to the program belljar-image}" "$FROZEN/linked.wasm" "$image"
zstd -q -f -19 --no-check -T1 "$image" -o "$HERE/python.wasm.zst"

# note KEY VALUE: replaces one line of runtime.toml.
note() { sed -i "s|^$1 = .*|$1 = $2|" "$HERE/runtime.toml"; }
digest() { sha256sum "$1" | cut -d' ' -f1; }
note image_sha256 "\"$(digest "$image")\""
note image_bytes "$(stat -c %s "$image")"
note compressed_sha256 "\"$(digest "$HERE/python.wasm.zst")\""
note compressed_bytes "$(stat -c %s "$HERE/python.wasm.zst")"
grep -E '_sha256|_bytes' "$HERE/runtime.toml"
