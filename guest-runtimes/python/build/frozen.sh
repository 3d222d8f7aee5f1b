#!/bin/bash
# Compiles the Python side: standard library, session code and time zones.
. "$(dirname "$0")/settings.sh"

say "frozen modules"
rm -rf "$FROZEN"
mkdir -p "$FROZEN/tzdata"
python3 -m zipfile -e "$DOWNLOADS/$TZDATA" "$FROZEN/tzdata"
# Which strings the running interpreter has interned decides how marshal writes
# them, and differs between modules it has compiled and modules it has loaded.
# So all are compiled before, whatever the environment says about that.
unset PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX
"$BUILD_PYTHON" -sSP -m compileall -q "$(dirname "$BUILD_PYTHON")/usr/lib/python$PYTHON_MAJOR"
# Not isolated: the hash seed comes from the environment, and decides in which
# order the constants of a module are written.
"$BUILD_PYTHON" -sSP "$HERE/build/gen_frozen.py" "$SOURCE/Lib" \
  "$(dirname "$INTERPRETER"/build/lib.*/_sysconfigdata*.py)" \
  "$HERE" "$FROZEN/tzdata" "$FROZEN" "$WORK"
