#!/bin/sh
# Builds {{name}}.wasm. What that takes is put into .venv the first time; COMPONENTIZE_PY names one that is there.
set -eu
cd "$(dirname "$0")"

if [ -z "${COMPONENTIZE_PY:-}" ]; then
    COMPONENTIZE_PY=.venv/bin/componentize-py
    if [ ! -x "$COMPONENTIZE_PY" ]; then
        python3 -m venv .venv
        .venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt
    fi
fi
"$COMPONENTIZE_PY" --quiet --wit-path wit --world driver componentize app --python-path . --output {{name}}.wasm
echo "built {{name}}.wasm"
