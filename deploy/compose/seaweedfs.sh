#!/bin/sh
# One server with one bucket and one key that may use it; the key's secret is a file. Ready: the bucket is there.
set -eu
secret=$(head -n 1 /run/secrets/s3_secret_key)
umask 077
cat >/tmp/identities.json <<JSON
{"identities": [{"name": "airbyte", "actions": ["Read", "Write", "List"],
  "credentials": [{"accessKey": "$S3_ACCESS_KEY", "secretKey": "$secret"}]}]}
JSON

bucket() { # again until the server is up; a bucket that is there already is as good
    until echo 's3.bucket.list' | timeout 10 weed shell -master=127.0.0.1:9333 2>/dev/null | grep -qw "$S3_BUCKET"; do
        echo "s3.bucket.create -name $S3_BUCKET" | timeout 10 weed shell -master=127.0.0.1:9333 >/dev/null 2>&1 || true
        sleep 1
    done
    : >/tmp/ready
}

rm -f /tmp/ready
bucket &
exec weed server -dir=/data -ip=127.0.0.1 -ip.bind=0.0.0.0 -master.telemetry=false -master.resumeState=false \
    -master.volumeSizeLimitMB=256 -volume.max=100 -s3 -s3.config=/tmp/identities.json -s3.autoCreateBucket=false
