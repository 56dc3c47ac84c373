#!/usr/bin/env bash
# Prints the path of a Chromium: $CHROMIUM, or one of the system's.
# Chromium comes from Debian's packages when there is none, and nothing is installed when there is one.
set -euo pipefail

find_chromium() { command -v "${CHROMIUM:-chromium}" || command -v chromium-browser || command -v google-chrome; }

if ! find_chromium; then
  bash "$(dirname "$0")/apt-install.sh" "Chromium (or its name in CHROMIUM)" chromium
  find_chromium
fi
