#!/bin/sh
# The list of users of this machine is not shown, so the user of this run has no
# name in it. What asks for that gets it from the environment; the rest is done
# by the command of the same name.
self=${0%/*}
command=${0##*/}
name=${LOGNAME:-${USER:-belljar}}
case ":$PATH:" in
    *":$self:"*) ;;
    *) echo "$command: not found" >&2; exit 127 ;;
esac
before=${PATH%%"$self":*}
PATH=$before${PATH#*"$self":}
numbers() {
    uid=$(command id -u)
    gid=$(command id -g)
}
case "$command $*" in
    "whoami " | "logname " | "id -un" | "id -nu" | "id -u -n" | "id -n -u" | "id -gn" | "id -ng" | "id -Gn" | "id -nG")
        echo "$name" ;;
    "id " | "id $name")
        numbers
        echo "uid=$uid($name) gid=$gid($name) groups=$gid($name)" ;;
    "getent passwd"*)
        numbers
        case "${2-}" in
            "" | "$name" | "$uid") echo "$name:x:$uid:$gid::${HOME:-/}:/bin/bash" ;;
            *) exit 2 ;;
        esac ;;
    "getent group"*)
        numbers
        case "${2-}" in
            "" | "$name" | "$gid") echo "$name:x:$gid:" ;;
            *) exit 2 ;;
        esac ;;
    *)
        exec "$command" "$@" ;;
esac
