#!/bin/sh
# Installs the hello-ebpf of this machine: sh install.sh [DIRECTORY], by default /usr/local/bin.
# Takes it from where this script lies, and checks it against SHA256SUMS there. Needs a shell and coreutils, or busybox.
set -eu; export LC_ALL=C
fail() { echo "install.sh: $*" >&2; exit 1; }
# Whether a word is in a file, which not every shell can read as it is.
holds() { case $(tr -cd A-Z_ <"$1") in *"$2"*) ;; *) return 1 ;; esac; }
case $0 in */*) here=${0%/*}/ ;; *) here=. ;; esac
here=$(CDPATH= cd -- "$here" && pwd)
to=${1:-/usr/local/bin}
case $to in -*) fail "usage: sh install.sh [DIRECTORY]" ;; esac
[ -n "$(command -v sha256sum)" ] || fail "sha256sum is missing: install it first (coreutils or busybox)"

[ "$(uname -s)" = Linux ] || fail "hello-ebpf is for Linux, this is $(uname -s)"
case $(uname -m) in
  x86_64) arch=x64 glibc=/lib64/ld-linux-x86-64.so.2 ;;
  aarch64) arch=arm64 glibc=/lib/ld-linux-aarch64.so.1 ;;
  *) fail "no hello-ebpf for $(uname -m), only for x86_64 and aarch64" ;;
esac

# The C library is known by its loader. Where musl's is under glibc's name too, or gcompat's, that has not glibc's symbols.
# The musl build also needs the C++ library, which musl systems lack at first.
if [ -e "$glibc" ] && holds "$glibc" GLIBC_PRIVATE; then
  name=hello-ebpf-linux-$arch
elif [ -e "/lib/ld-musl-$(uname -m).so.1" ]; then
  name=hello-ebpf-linux-$arch-musl
  [ -e /usr/lib/libstdc++.so.6 ] || [ -e /lib/libstdc++.so.6 ] || [ -e /usr/local/lib/libstdc++.so.6 ] ||
    fail "musl without libstdc++.so.6: install it first (Alpine: apk add libstdc++)"
else
  fail "neither glibc ($glibc) nor musl (/lib/ld-musl-$(uname -m).so.1) is here"
fi

[ -f "$here/$name" ] || fail "$here/$name is missing"
[ -f "$here/SHA256SUMS" ] || fail "$here/SHA256SUMS is missing"
sum=$(sha256sum <"$here/$name")
while read -r expected file && [ "$file" != "$name" ]; do :; done <"$here/SHA256SUMS"
[ "${file:-}" = "$name" ] || fail "SHA256SUMS has no sum of $name"
[ "$sum" = "$expected  -" ] ||
  fail "the sum of $here/$name is not that of SHA256SUMS: get it again"

mkdir -p "$to" || fail "cannot make $to"
[ ! -d "$to/hello-ebpf" ] || fail "$to/hello-ebpf is a directory"
new=$to/.hello-ebpf.$$
trap 'rm -f "$new"' EXIT
trap 'exit 1' INT TERM HUP
cp "$here/$name" "$new" && chmod 755 "$new" || fail "cannot write to $to"
said=$("$new" --version) || fail "$name does not run here"
mv "$new" "$to/hello-ebpf"
echo "installed $to/hello-ebpf ($name): $said"
