#!/bin/sh
# Written by the local forge. Refuses what a branch's protection forbids to who pushes.
# LOCAL_FORGE_RULES holds lines "<rule> <ref>":
#   closed   nobody may push; changes come by pull request, or by somebody else
#   checked  only commits may be pushed that have a line "<sha> <ref>"
#   append   the new commit must contain the old one
#   keep     the branch may not be deleted
ref=$1 old=$2 new=$3
none=0000000000000000000000000000000000000000

has() {
	case "
$LOCAL_FORGE_RULES
" in
	*"
$1 $ref
"*) return 0 ;;
	esac
	return 1
}

refuse() {
	echo "error: GH006: Protected branch update failed for $ref." >&2
	echo "error: $1" >&2
	exit 1
}

if has closed; then refuse "Changes must be made through a pull request."; fi
if [ "$new" = "$none" ]; then
	if has keep; then refuse "Cannot delete this branch."; fi
	exit 0
fi
if has checked && ! has "$new"; then refuse "Required status checks are expected."; fi
if [ "$old" != "$none" ] && has append && ! git merge-base --is-ancestor "$old" "$new"; then
	refuse "Cannot force-push to this branch."
fi
exit 0
