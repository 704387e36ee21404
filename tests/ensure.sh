#!/bin/sh
# See to it that programs are on PATH which the tests or benchmarks start themselves, on ports of their own.
# usage: ensure.sh redis-server | varnishd | promtool | wrk valgrind ...
set -eu
PATH=$PATH:/usr/sbin

missing=
for program; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    as_root='sudo -n'
fi

may_install() { [ -z "$as_root" ] || $as_root true 2>/dev/null; }

# Most packages are called as their program is. $1 is the one that installs them.
packages() {
    for program in $missing; do
        case $1/$program in
            apt-get/redis-server) echo redis-server ;;
            */redis-server) echo redis ;;
            */varnishd) echo varnish ;;
            */promtool) echo prometheus ;;
            *) echo "$program" ;;
        esac
    done
}

# Debian starts a service with its package; while this policy stands, it does not.
policy=/usr/sbin/policy-rc.d

install_with_apt() {
    [ -e "$policy" ] || {
        trap '$as_root rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
        $as_root chmod 755 "$policy"
    }
    # shellcheck disable=SC2046 # each is a word of its own, here and below
    $as_root apt-get -qq update &&
        $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get -qq install --yes --no-install-recommends $(packages apt-get)
}

# shellcheck disable=SC2046
try_to_install() {
    if command -v brew; then
        brew install --quiet $(packages brew)
    elif ! may_install; then
        return 1
    elif command -v apt-get; then
        install_with_apt
    elif command -v dnf; then
        $as_root dnf --quiet --assumeyes install $(packages dnf)
    elif command -v apk; then
        $as_root apk add --quiet $(packages apk)
    else
        return 1
    fi
}

echo "Installing$missing ..."
log=$(mktemp)
try_to_install >"$log" 2>&1 </dev/null || tail -n 5 "$log" >&2
rm -f "$log"
for program in $missing; do
    command -v "$program" >/dev/null 2>&1 || {
        echo "This needs $program on PATH: install it, then try again." >&2
        exit 1
    }
done
