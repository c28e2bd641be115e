#!/usr/bin/env bash
# Builds the app, the player documents and the recorder for pages into web/dist, and OUT.c from them: build.sh OUT.c
# Packages are installed when package-lock.json changed; nothing is done when nothing changed. After the first time it works
# without a network.
set -euo pipefail

out=$(realpath -m "$1")
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p dist
exec 9>dist/.lock
flock 9 # two build folders share this one

digest() { # of every source the result depends on
  {
    find src player scripts -type f -print0
    find ../demo/shop -type f -print0
    find ../sdk/recorder -path ../sdk/recorder/dist -prune -o -type f -print0
    printf '%s\0' index.html package.json package-lock.json tsconfig.json vite.config.ts build.sh ../docs/api/openapi.yaml ../src/codec/sanitize_table.h ../src/codec/sanitize.h
  } | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}

lock=$(sha256sum package-lock.json | cut -d' ' -f1)
if [[ ! -d node_modules || $(cat dist/.installed 2>/dev/null) != "$lock" ]]; then
  command -v npm >/dev/null || { echo "web/build.sh: npm is missing; tools/setup installs it" >&2; exit 1; }
  echo "web: installing packages from package-lock.json (npm ci)"
  npm ci --no-audit --no-fund --ignore-scripts --loglevel=error 9>&-
  echo "$lock" >dist/.installed
fi

want=$(digest)
if [[ $(cat dist/.built 2>/dev/null) != "$want" ]]; then
  rm -f dist/.built
  npm run --silent build 9>&-
  ../sdk/recorder/build.sh 9>&-
  # The script for pages that record: by its plain name, and by one whose bytes never change.
  hash=$(sha256sum ../sdk/recorder/dist/recorder.min.js | cut -c1-8)
  cp ../sdk/recorder/dist/recorder.min.js dist/app/recorder.js
  cp ../sdk/recorder/dist/recorder.min.js "dist/app/assets/keyhole-recorder-$hash.js"
  rm -rf dist/shop
  cp -r ../demo/shop dist/shop # the demo's page that records itself
  echo "$want" >dist/.built
fi
python3 ../tools/embed.py dist "$out"
