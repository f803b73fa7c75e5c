#!/usr/bin/env bash
# Prints the path of each Python from 3.11 to 3.14 that runs here, newest first. A name on PATH is not enough: it may be
# a shim whose version is not installed, so each is asked to run.
set -euo pipefail
# A shim of pyenv runs the versions that are selected, and by default that is one. Here all are.
if command -v pyenv >/dev/null; then
  PYENV_VERSION=$(pyenv versions --bare | paste -sd:)
  export PYENV_VERSION
fi
for name in python3.14 python3.13 python3.12 python3.11; do
  "$name" -c 'import ensurepip, sys, venv; print(sys.executable)' 2>/dev/null || true
done
