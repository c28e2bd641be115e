#!/usr/bin/env bash
# Builds dist/ with the packages of web/: recorder.js and its types for npm, recorder.min.js for a <script>.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
bin=../../web/node_modules/.bin
"$bin/tsc" -p . --noEmit
"$bin/vite" build --config vite.config.mjs --mode module
"$bin/vite" build --config vite.config.mjs --mode script
"$bin/tsc" -p . --emitDeclarationOnly --outDir dist
