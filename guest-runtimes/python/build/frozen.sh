#!/bin/bash
# Compiles the Python side: standard library, session code and time zones.
. "$(dirname "$0")/settings.sh"

say "frozen modules"
rm -rf "$FROZEN"
mkdir -p "$FROZEN/tzdata"
python3 -m zipfile -e "$DOWNLOADS/$TZDATA" "$FROZEN/tzdata"
# Not isolated: the hash seed comes from the environment, and decides in which
# order the constants of a module are written.
"$BUILD_PYTHON" -sSP "$HERE/build/gen_frozen.py" "$SOURCE/Lib" \
  "$(dirname "$INTERPRETER"/build/lib.*/_sysconfigdata*.py)" \
  "$HERE/session" "$FROZEN/tzdata" "$FROZEN" "$WORK"
