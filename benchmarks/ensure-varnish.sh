#!/bin/sh
# See to it that `varnishd` is there: the comparison starts its own, on a port of its own.
set -eu

found() { PATH=$PATH:/usr/sbin command -v varnishd >/dev/null 2>&1; }

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
            apt-get -qq install --yes --no-install-recommends varnish
}

try_to_install() {
    if command -v brew; then
        brew install --quiet varnish
    elif ! may_install; then
        return 1
    elif command -v apt-get; then
        install_with_apt
    elif command -v dnf; then
        $as_root dnf --quiet --assumeyes install varnish
    else
        return 1
    fi
}

echo 'Installing varnish to compare with ...'
log=$(mktemp)
try_to_install >"$log" 2>&1 </dev/null || tail -n 5 "$log" >&2
rm -f "$log"
found || {
    echo 'The comparison needs varnishd: install Varnish 7, then try again.' >&2
    exit 1
}
