#!/usr/bin/env bash
# base_image.sh TAG PYTHON: make a base image from this machine's own CPython, for where no image registry
# answers.  Linux with glibc only: the interpreter, its standard library and the shared libraries they need.
set -euo pipefail
tag=$1 python=$2
read -r prefix version < <("$python" -c 'import sys; print(sys.base_prefix, "%d.%d" % sys.version_info[:2])')
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

mkdir -p "$root"/{usr/{bin,sbin,lib,lib64},usr/local/{bin,lib},etc/ssl/certs,tmp,var/tmp,proc,sys,dev,run,root,mnt,opt}
for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
chmod 1777 "$root/tmp" "$root/var/tmp"

# The interpreter under /usr/local, as in python:slim; of site-packages only pip, which venv installs by itself.
std=lib/python$version
(cd "$prefix" && tar -c --exclude=__pycache__ --exclude="$std/test" --exclude="$std/site-packages" \
  --exclude="$std/dist-packages" --exclude="$std/idlelib" --exclude="$std/config-*" \
  "bin/python$version" "$std" $(ls -d lib/libpython"$version"*.so* 2>/dev/null || true)) | tar -C "$root/usr/local" -x
mkdir -p "$root/usr/local/$std/site-packages"
ln -s "python$version" "$root/usr/local/bin/python3"
ln -s python3 "$root/usr/local/bin/python"

tools=(/bin/sh /bin/bash /bin/cat /bin/ls /bin/sleep /bin/mkdir /bin/rm /bin/cp /bin/ln /bin/chmod /usr/bin/id /usr/bin/env)
for tool in "${tools[@]}"; do cp -L "$tool" "$root/usr/bin/"; done

# Shared libraries of all that, and those that torch's wheel expects of a system.
expected="libstdc++.so.6 libgcc_s.so.1 libgomp.so.1 librt.so.1 libdl.so.2 libpthread.so.0 libutil.so.1"
needed() {
  ldd "${tools[@]}" "$root/usr/local/bin/python$version" "$root/usr/local/$std"/lib-dynload/*.so 2>/dev/null \
    | awk '/=> \//{print $3} /^[ \t]*\/lib64/{print $1}'
  # awk reads to the end: one that leaves early would break the pipe, and with it the script, now and then.
  for library in $expected; do ldconfig -p | awk -v name="$library" '$1 == name && !found {print $NF; found = 1}'; done
}
needed | sort -u | while read -r library; do
  case $library in "$prefix"/*) continue ;; esac
  folder=$(dirname "$library")
  case $folder in /lib*) folder=/usr$folder ;; esac
  mkdir -p "$root$folder"
  cp -L "$library" "$root$folder/"
done

printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
[ -f /etc/ssl/certs/ca-certificates.crt ] && cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf '/usr/local/lib\n/usr/lib/x86_64-linux-gnu\n/usr/lib/aarch64-linux-gnu\n' >"$root/etc/ld.so.conf"
ldconfig -r "$root"

tar -C "$root" --owner=0 --group=0 -c . | docker import \
  --change 'ENV PATH=/usr/local/bin:/usr/bin:/usr/sbin LANG=C.UTF-8' --change 'CMD ["python3"]' - "$tag" >/dev/null
