#!/bin/sh
# Makes what the parts of ../compose.yaml share and nobody else may know, once: each part
# sees the folder that is its own alone. A key ring that is lost is a store that is lost.
set -eu
umask 077

# As many random bytes in hexadecimal digits.
random() { od -An -v -tx1 -N "$1" /dev/urandom | tr -d ' \n'; }

if [ ! -e /secrets/servers/made ]; then
    access=$(random 10) secret=$(random 20) password=$(random 20)

    cd /secrets/servers
    head -c 32 /dev/urandom > store-keys
    printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$access" "$secret" > s3-credentials
    printf 'redis = "redis://:%s@172.31.74.22:6379/0"\n' "$password" > belljar.toml

    cd /secrets/s3
    printf '{"identities": [{"name": "belljar", "credentials": [{"accessKey": "%s", "secretKey": "%s"}], "actions": ["Admin"]}]}\n' \
        "$access" "$secret" > s3.json

    cd /secrets/redis
    printf 'requirepass %s\n' "$password" > redis.conf
    # It holds what may be lost, as much as it has room for, and writes nothing down.
    printf 'maxmemory 256mb\nmaxmemory-policy allkeys-lru\nsave ""\nappendonly no\n' >> redis.conf

    cd /secrets/bucket
    printf 'user = "%s:%s"\n' "$access" "$secret" > curl.conf

    cd /secrets/keys
    [ -e client-keys.json ] || echo '{"version": 1, "keys": []}' > client-keys.json

    # The users that read them: of the servers and of the program that makes the bucket,
    # and of Redis. SeaweedFS begins as root and goes on as another.
    chown -R 10001:10001 /secrets/servers /secrets/bucket /secrets/keys
    chown -R 999:999 /secrets/redis
    chmod 700 /secrets/keys
    chmod 755 /secrets/s3
    chmod 644 /secrets/s3/s3.json
    touch /secrets/servers/made
fi
