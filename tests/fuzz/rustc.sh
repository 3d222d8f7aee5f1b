#!/bin/sh
# The compiler for crates of this workspace, as Cargo calls it for `fuzz`: code
# that reports what an input reaches, and checks its arithmetic. Dependencies are
# compiled as always, so those of an ordinary build serve.
case " $* " in
*" --crate-name build_script_build "*) exec "$@" ;;
*" --crate-name "*) ;;
*) exec "$@" ;;
esac
exec "$@" -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Coverflow-checks=on -Cdebug-assertions=on
