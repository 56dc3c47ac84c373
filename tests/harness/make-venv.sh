#!/usr/bin/env bash
# Makes the Python environment of the tests: make-venv.sh FOLDER REQUIREMENTS
# Python comes from Debian's packages when it is missing, and nothing is installed when it is there.
set -euo pipefail

folder=$1
requirements=$2

has_venv() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

if ! has_venv; then
  if ! command -v apt-get >/dev/null; then
    echo "The tests need python3 with its venv module; install it and run this again." >&2
    exit 1
  fi
  run_as_root=()
  if [ "$(id -u)" -ne 0 ]; then run_as_root=(sudo -n); fi
  echo "Installing python3-venv"
  "${run_as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${run_as_root[@]}" apt-get install -y -qq --no-install-recommends python3 python3-venv
fi

echo "Installing the Python packages of the tests into $folder"
rm -rf "$folder"
python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
touch "$folder/ready"
