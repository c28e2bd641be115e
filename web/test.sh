#!/usr/bin/env bash
# The app's own tests (vitest): pure parts, and the built pages in Chromium. Run after build.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec node node_modules/vitest/vitest.mjs run "$@"
