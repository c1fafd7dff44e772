#!/bin/sh
# Puts together what the image adds to its base, under DEST: the program, the pinned renderers, the
# settings, the licence, and the folder for state. The Dockerfile and `make image-check` both call it.
set -eu

if [ $# -ne 2 ]; then
    printf '%s\n' "usage: $0 BINARY DEST" >&2
    exit 2
fi
binary=$1
dest=$2
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
source=$(dirname -- "$here")

if [ ! -x "$binary" ]; then
    printf '%s\n' "assemble: \`$binary\` is no program; build it first" >&2
    exit 1
fi
if [ -e "$dest" ] && [ -n "$(ls -A "$dest")" ]; then
    printf '%s\n' "assemble: \`$dest\` is not empty; name a new folder" >&2
    exit 1
fi

"$source/tools/fetch-renderers.sh" --pinned

# Nothing of what is copied depends on who runs this, or on their umask.
install -d -m 755 "$dest" "$dest/usr/local/bin" "$dest/etc/hydromote" "$dest/usr/share/doc/hydromote"
install -m 755 "$binary" "$dest/usr/local/bin/hydromote"
install -m 755 "$source/.tools/bin/helm" "$source/.tools/bin/kustomize" "$dest/usr/local/bin/"
install -m 644 "$here/hydromote.toml" "$dest/etc/hydromote/hydromote.toml"
install -m 644 "$source/LICENSE" "$source/NOTICE" "$dest/usr/share/doc/hydromote/"
# The Dockerfile gives it to the user of the image.
install -d -m 700 "$dest/var/lib/hydromote"
