#!/usr/bin/env bash
# Prints the path of a Chromium for the browser tests: $CHROMIUM, one on the system, or one from Debian where that is allowed.
# Without one it prints nothing and says what to do; that is an error where THOUGHTSCOPE_REQUIRE_BROWSER=1.
set -euo pipefail

names=(chromium chromium-browser google-chrome google-chrome-stable)
if [ -n "${CHROMIUM:-}" ]; then names=("$CHROMIUM"); fi

find_one() {
    local name
    for name in "${names[@]}"; do
        if "$name" --version >/dev/null 2>&1; then command -v "$name"; return; fi
    done
    return 1
}

find_one && exit
if [ -z "${CHROMIUM:-}" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "  Chromium for the browser tests, from Debian: about 0.1 GB to download, 0.4 GB on disk" >&2
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium; } >/dev/null || true
    find_one && exit
fi
echo "  No Chromium found${CHROMIUM:+ at CHROMIUM=$CHROMIUM}: install chromium or google-chrome, or set CHROMIUM=/path/to/it." >&2
if [ "${THOUGHTSCOPE_REQUIRE_BROWSER:-}" = 1 ]; then exit 1; fi
echo "  The browser tests are skipped." >&2
