#!/bin/sh
# Installs the programs that some tests run against. Where there is no apt-get, or its user may not
# use it, this does nothing: those tests are then skipped, each with its reason.
set -eu
packages="chromium dnsmasq-base gcc iproute2 libc6-dev nftables nginx-light prometheus redis-server
valgrind"
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0
for package in $packages; do
    dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null |
        grep -qx installed || missing="${missing-} $package"
done
[ -n "${missing-}" ] || exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# Their services stay as they are: a test starts its own.
# shellcheck disable=SC2086
apt-get install -qq -y --no-install-recommends $missing >/dev/null
