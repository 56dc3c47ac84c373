#!/usr/bin/env bash
# Makes a Python environment of the tests: make-venv.sh FOLDER REQUIREMENTS [OPTION OF PIP …]
# Python comes from Debian's packages when it is missing, and nothing is installed when it is there.
set -euo pipefail

folder=$1
requirements=$2
shift 2

has_venv() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

if ! has_venv; then
  bash "$(dirname "$0")/apt-install.sh" "python3 with its venv module" python3 python3-venv
fi

echo "Installing the Python packages of the tests into $folder"
rm -rf "$folder"
python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements" "$@"
touch "$folder/ready"
