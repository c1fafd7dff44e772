#!/bin/sh
# Builds the client of `make check-client` into .tools/client, unless it is there: a promotion's worth of calls with
# GitHub's client library for Go, which tools/client/go.sum pins. Needs Go 1.26 (or a Python with pip that brings one).
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
tools=$root/.tools/client
source=$root/tools/client

fail() { printf 'tools: %s\n' "$*" >&2; exit 1; }

# What the program was built from; another source is another build.
sources=$(cat "$source/main.go" "$source/go.mod" "$source/go.sum" "$0" | sha256sum | cut -c1-16)
if [ -x "$tools/client" ] && [ "$(cat "$tools/built-from" 2>/dev/null || true)" = "$sources" ]; then
    exit 0
fi
go=$("$root/tools/fetch-go.sh") || fail "cannot build the client: needs Go 1.26.2, or Python with pip (Linux on amd64)"
mkdir -p "$tools"
rm -f "$tools/built-from"
cd "$source"
CGO_ENABLED=0 GOTOOLCHAIN=local "$go" build -mod=readonly -trimpath -o "$tools/client" .
printf '%s\n' "$sources" > "$tools/built-from"
