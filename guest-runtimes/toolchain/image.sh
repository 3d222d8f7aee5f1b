# The last step of every guest with an image. Sourced, not run; wants WORK, HERE
# and BELLJAR_IMAGE.

# make_image LINKED NAME: initialises the linked guest, compresses the image to
# NAME.wasm.zst and notes its digests in runtime.toml.
make_image() {
  local image=$WORK/$2.wasm compressed=$HERE/$2.wasm.zst said
  said=$("${BELLJAR_IMAGE:?set BELLJAR_IMAGE to the program belljar-image}" "$1" "$image")
  printf '%s\n' "$said"
  zstd -q -f -19 --no-check -T1 "$image" -o "$compressed"

  # note KEY VALUE: replaces one line of runtime.toml.
  note() { sed -i "s|^$1 = .*|$1 = $2|" "$HERE/runtime.toml"; }
  digest() { sha256sum "$1" | cut -d' ' -f1; }
  # told WORD: the number that belljar-image said after it.
  told() { sed -n "s/^$1 *\([0-9]*\).*/\1/p" <<<"$said"; }
  note abi "$(told abi)"
  note initial_bytes "$(told memory | sed -E ':a;s/^([0-9]+)([0-9]{3})/\1_\2/;ta')"
  note image_sha256 "\"$(digest "$image")\""
  note image_bytes "$(stat -c %s "$image")"
  note compressed_sha256 "\"$(digest "$compressed")\""
  note compressed_bytes "$(stat -c %s "$compressed")"
  grep -E '^abi|_sha256|_bytes' "$HERE/runtime.toml"
}
