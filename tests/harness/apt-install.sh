#!/usr/bin/env bash
# Installs Debian packages that the tests need: apt-install.sh WHAT PACKAGE…
# Where that is not possible it says WHAT to install by hand. All that it says goes to standard error.
set -euo pipefail

what=$1
shift
if ! command -v apt-get >/dev/null; then
  echo "The tests need $what; install it and run this again." >&2
  exit 1
fi
run_as_root=()
if [ "$(id -u)" -ne 0 ]; then run_as_root=(sudo -n); fi
{
  echo "Installing $*"
  "${run_as_root[@]}" apt-get update -qq
  "${run_as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
} >&2
