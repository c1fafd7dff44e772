#!/bin/sh
# Builds the Gitea that `make test-gitea` runs against into .tools/gitea, unless it is there.
#
# It comes from its Go module: tools/gitea/go.sum pins every byte of it, and Go verifies them. The first build downloads
# 400 MB of modules and takes about four minutes of two processors; a later one is there at once. Needs Go 1.26 (or a
# Python with pip that brings one) and a C compiler, for SQLite.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
tools=$root/.tools
source=$root/tools/gitea
scratch=

say() { printf '%s\n' "tools: $*"; }
fail() { printf '%s\n' "tools: $*" >&2; exit 1; }
clean() { [ -z "$scratch" ] || rm -rf "$scratch"; }
trap clean EXIT
trap 'exit 130' INT TERM

# What the program was built from; another source is another build.
sources=$(cat "$source/main.go" "$source/go.mod" "$source/go.sum" "$0" | sha256sum | cut -c1-16)
built=$tools/gitea/built-from
if [ -x "$tools/gitea/gitea" ] && [ "$(cat "$built" 2>/dev/null || true)" = "$sources" ]; then
    say "Gitea is there"
    exit 0
fi

mkdir -p "$tools"
scratch=$(mktemp -d "$tools/gitea.XXXXXX")

go=$("$root/tools/fetch-go.sh") || fail "cannot build Gitea: needs Go 1.26.2, or Python with pip (Linux on amd64)"
command -v cc >/dev/null || command -v gcc >/dev/null || fail "cannot build Gitea: needs a C compiler, for SQLite"

cd "$source"
export CGO_ENABLED=1 GOTOOLCHAIN=local
version=$("$go" list -mod=readonly -m -f '{{.Version}}' code.gitea.io/gitea)
say "building Gitea $version with Go; the first time takes minutes"
# The warnings are those of SQLite's own C.
CGO_CFLAGS='-O2 -g0 -w' "$go" build -mod=readonly -trimpath -tags 'sqlite sqlite_unlock_notify' \
    -ldflags "-s -w -X main.version=${version#v}" -o "$scratch/install/gitea" .
module=$("$go" list -mod=readonly -m -f '{{.Dir}}' code.gitea.io/gitea)
mkdir "$scratch/install/static"
cp -R "$module/templates" "$module/options" "$module/public" "$scratch/install/static/"
# Files of Go's module cache are read-only.
chmod -R u+w "$scratch/install"
printf '%s\n' "$sources" > "$scratch/install/built-from"
rm -rf "$tools/gitea"
mv "$scratch/install" "$tools/gitea"
say "Gitea $version is ready in .tools/gitea"
