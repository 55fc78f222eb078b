#!/bin/sh
# Runs the tests of a client against a gateway and a backend of their own, and fails where the client
# takes a refusal badly: it tries again too early, or not at all. The tests find the gateway's
# address in MASKGATE_URL; any account SID and any password will do.
#   sh test-limits.sh                  seven requests, where five a second are allowed
#   sh test-limits.sh COMMAND …        your own tests
set -eu
if [ $# -eq 0 ]; then
  # shellcheck disable=SC2016 # the variable is for the shell inside
  set -- sh -c 'curl --silent --fail --retry 3 --output /dev/null \
    --user AC00000000000000000000000000000001:any "$MASKGATE_URL/v1/Services?PageSize=[1-7]"'
fi
exec maskgate test --config "$(dirname "$0")/maskgate.yaml" --fail-on early-retry,gave-up -- "$@"
