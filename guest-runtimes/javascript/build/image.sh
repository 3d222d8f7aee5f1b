#!/bin/bash
# Initialises the linked guest, compresses the image and notes its digests.
. "$(dirname "$0")/settings.sh"
. "$HERE/../toolchain/image.sh"

say "image"
make_image "$OBJECTS/linked.wasm" javascript
