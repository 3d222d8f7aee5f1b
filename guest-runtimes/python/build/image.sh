#!/bin/bash
# Initialises the linked guest, compresses the image and notes its digests.
. "$(dirname "$0")/settings.sh"

say "image"
image=$WORK/python.wasm
said=$("${BELLJAR_IMAGE:?set BELLJAR_IMAGE to the program belljar-image}" "$FROZEN/linked.wasm" "$image")
printf '%s\n' "$said"
zstd -q -f -19 --no-check -T1 "$image" -o "$HERE/python.wasm.zst"

# note KEY VALUE: replaces one line of runtime.toml.
note() { sed -i "s|^$1 = .*|$1 = $2|" "$HERE/runtime.toml"; }
digest() { sha256sum "$1" | cut -d' ' -f1; }
# told WORD: the number that belljar-image said after it.
told() { sed -n "s/^$1 *\([0-9]*\).*/\1/p" <<<"$said"; }
note abi "$(told abi)"
note initial_bytes "$(told memory | sed -E ':a;s/^([0-9]+)([0-9]{3})/\1_\2/;ta')"
note image_sha256 "\"$(digest "$image")\""
note image_bytes "$(stat -c %s "$image")"
note compressed_sha256 "\"$(digest "$HERE/python.wasm.zst")\""
note compressed_bytes "$(stat -c %s "$HERE/python.wasm.zst")"
grep -E '^abi|_sha256|_bytes' "$HERE/runtime.toml"
