#!/bin/sh
# Makes the bucket of the store, where it is not there yet.
set -eu

bucket() {
    curl --silent --output /dev/null --write-out '%{http_code}' --max-time 10 \
        --config /run/secrets/curl.conf --aws-sigv4 aws:amz:us-east-1:s3 "$@" "$ENDPOINT/belljar" || true
}

for _ in $(seq 60); do
    case $(bucket --head) in
        200) exit 0 ;;
        404) bucket --request PUT > /dev/null ;;
        # The storage has not begun yet.
        *) sleep 1 ;;
    esac
done
echo "there is no bucket at $ENDPOINT after a minute: $(bucket --head)" >&2
exit 1
