#!/bin/sh
# Plays a repository's history with a given binary and prints what it cost.
# usage: bench-replay.sh HYDROMOTE REPO STRATEGY COMMITS
set -eu
program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$program" demo --once --repo "$2" --strategy "$3" --commits "$4" --dir "$folder/demo" --output json \
    2>"$folder/story" >"$folder/end.json" || { cat "$folder/story" >&2; exit 1; }
tail -n 1 "$folder/story"
printf 'binary: %s bytes\n' "$(wc -c <"$program")"
