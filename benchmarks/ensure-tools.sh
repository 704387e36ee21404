#!/bin/sh
# See to it that `wrk` and `valgrind`, with which speed is measured, are on PATH.
set -eu

tools='wrk valgrind'

missing() { for tool in $tools; do command -v "$tool" >/dev/null 2>&1 || echo "$tool"; done; }

[ -n "$(missing)" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    as_root='sudo -n'
fi

may_install() { [ -z "$as_root" ] || $as_root true 2>/dev/null; }

# The package of each is called as it is; there is only Linux's, as Callgrind is needed.
try_to_install() {
    if ! may_install; then
        return 1
    elif command -v apt-get; then
        $as_root apt-get -qq update &&
            $as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get -qq install --yes --no-install-recommends "$@"
    elif command -v dnf; then
        $as_root dnf --quiet --assumeyes install "$@"
    elif command -v apk; then
        $as_root apk add --quiet "$@"
    else
        return 1
    fi
}

echo "Installing $(echo $(missing)) to measure with ..."
log=$(mktemp)
# shellcheck disable=SC2046 # each is a word of its own
try_to_install $(missing) >"$log" 2>&1 </dev/null || tail -n 5 "$log" >&2
rm -f "$log"
[ -z "$(missing)" ] || {
    echo 'To measure speed, wrk and valgrind have to be on PATH: install them, then try again.' >&2
    exit 1
}
