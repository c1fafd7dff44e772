.PHONY: tools

# Helm and Kustomize, pinned and verified, into .tools/bin; nothing when fitting ones are there.
tools:
	@tools/fetch-renderers.sh
