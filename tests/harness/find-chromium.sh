#!/usr/bin/env bash
# Prints the path of a Chromium: $CHROMIUM, or one of the system's.
# Chromium comes from Debian's packages when there is none, and nothing is installed when there is one.
set -euo pipefail

find_chromium() { command -v "${CHROMIUM:-chromium}" || command -v chromium-browser || command -v google-chrome; }

if ! find_chromium; then
  if ! command -v apt-get >/dev/null; then
    echo "The browser tests need Chromium; install it, or name it in CHROMIUM, and run this again." >&2
    exit 1
  fi
  run_as_root=()
  if [ "$(id -u)" -ne 0 ]; then run_as_root=(sudo -n); fi
  {
    echo "Installing Chromium"
    "${run_as_root[@]}" apt-get update -qq
    "${run_as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
  } >&2
  find_chromium
fi
