#!/bin/sh
# One server with one bucket and one key that may use it; the key's secret is a file. Ready: the bucket is there.
set -eu

quoted() { # the first line of what comes in, as a string of JSON
    printf '"%s"' "$(sed -e 's/[\\"]/\\&/g' -e 1q)"
}

tell() { # one line to the server, by the program's own shell
    printf '%s\n' "$1" | timeout 10 weed shell -master=127.0.0.1:9333 2>/dev/null
}

is_there() { # a line for each bucket, with its name first
    tell s3.bucket.list | while read -r name _; do [ "$name" != "$S3_BUCKET" ] || echo yes; done | grep -q yes
}

bucket() { # again until the server is up; a bucket that is there already is as good
    until is_there; do
        tell "s3.bucket.create -name $S3_BUCKET" >/dev/null || true
        sleep 1
    done
    : >/tmp/ready
}

umask 077
access=$(printf '%s\n' "$S3_ACCESS_KEY" | quoted)
secret=$(quoted </run/secrets/s3_secret_key)
cat >/tmp/identities.json <<JSON
{"identities": [{"name": "airbyte", "actions": ["Read", "Write", "List"],
  "credentials": [{"accessKey": $access, "secretKey": $secret}]}]}
JSON

rm -f /tmp/ready
bucket &
# It is its cluster's only master: there are no votes of others to wait for.
exec weed server -dir=/data -ip=127.0.0.1 -ip.bind=0.0.0.0 -master.telemetry=false -master.resumeState=false \
    -master.electionTimeout=1s -master.volumeSizeLimitMB=256 -volume.max="$S3_VOLUMES" -volume.preStopSeconds=1 \
    -s3 -s3.config=/tmp/identities.json -s3.autoCreateBucket=false
