#!/bin/sh
# Lays out /image, the whole file system of an image: PROGRAM, the libraries it
# is linked to, and the few files of the system that it reads. Run in the builder.
set -eu
program=$1
root=/image

# What `FROM scratch` has none of: names, certificates, time zones.
mkdir -p "$root/etc/ssl/certs" "$root/usr/share" "$root/usr/bin" "$root/usr/lib" "$root/state"
echo 'root:x:0:0:root:/:/sbin/nologin
komandorr:x:65532:65532:Komandorr:/var/lib/komandorr:/sbin/nologin' > "$root/etc/passwd"
echo 'root:x:0:
komandorr:x:65532:' > "$root/etc/group"
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
case $program in
  *-agent) ;; # reads no calendar
  *) cp -a /usr/share/zoneinfo "$root/usr/share/" && rm -rf "$root/usr/share/zoneinfo/right" "$root/usr/share/zoneinfo/posix" ;;
esac

install -s "$program" "$root/usr/bin/"
# The loader has its fixed place; the rest is found in /usr/lib, DuckDB's
# library (of the builder, or downloaded by the build) among it.
libraries=$(LD_LIBRARY_PATH="${DUCKDB_LIB_DIR:-$(dirname "$program")/deps}" ldd "$program")
case $libraries in *"not found"*) echo "$libraries" >&2; exit 1 ;; esac
for library in $(echo "$libraries" | grep -o '/[^ ]*'); do
  case $library in
    */ld-linux*) mkdir -p "$root$(dirname "$library")" && cp -L "$library" "$root$library" ;;
    *) cp -L "$library" "$root/usr/lib/" ;;
  esac
done
