#!/bin/sh
# See to it that `redis-server` is on PATH: the tests start their own, on ports of their own.
set -eu

found() { command -v redis-server >/dev/null 2>&1; }

found && exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    as_root='sudo -n'
fi

may_install() { [ -z "$as_root" ] || $as_root true 2>/dev/null; }

# Debian starts a service with its package; while this policy stands, it does not.
policy=/usr/sbin/policy-rc.d

install_with_apt() {
    [ -e "$policy" ] || {
        trap '$as_root rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
        $as_root chmod 755 "$policy"
    }
    $as_root apt-get -qq update &&
        $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get -qq install --yes --no-install-recommends redis-server
}

try_to_install() {
    if command -v brew; then
        brew install --quiet redis
    elif ! may_install; then
        return 1
    elif command -v apt-get; then
        install_with_apt
    elif command -v dnf; then
        $as_root dnf --quiet --assumeyes install redis
    elif command -v apk; then
        $as_root apk add --quiet redis
    else
        return 1
    fi
}

echo 'Installing redis-server for the tests ...'
log=$(mktemp)
try_to_install >"$log" 2>&1 </dev/null || tail -n 5 "$log" >&2
rm -f "$log"
found || {
    echo 'The tests need redis-server on PATH: install Redis, then run make test again.' >&2
    exit 1
}
