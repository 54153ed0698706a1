#!/usr/bin/env bash
# Proves that ./serve and ./check need nothing but a bare Debian 12: makes a minimal root with debootstrap, copies what is
# committed here into it and runs there, as root, first ./serve (until it has answered the line that it prints) and then ./check.
#   tests/bare_root.sh [--serve-only] [ROOT_FOLDER]        needs root and debootstrap; takes the host's apt settings
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
only_serve=
[ "${1:-}" = --serve-only ] && only_serve=1 && shift
root=${1:-$(mktemp -d /tmp/bare-root.XXXXXX)}
[ "$(id -u)" -eq 0 ] || { echo "needs root" >&2; exit 2; }
command -v debootstrap >/dev/null || { echo "needs debootstrap" >&2; exit 2; }

# The first mirror of the host's apt for this release.
mirror=$(apt-get indextargets --format '$(SITE)' 'Codename: bookworm' 'Created-By: Packages' 2>/dev/null | head -n 1)
[ -e "$root/etc/debian_version" ] || debootstrap --variant=minbase bookworm "$root" ${mirror:+"$mirror"} >"$root.log" 2>&1 ||
  { tail -n 20 "$root.log" >&2; exit 1; }

unmount() { umount "$root/dev" "$root/proc" 2>/dev/null || true; }
stop() { [ -e "$root/src/serve.pid" ] && kill -INT "$(cat "$root/src/serve.pid")" 2>/dev/null; rm -f "$root/src/serve.pid"; unmount; }
trap stop EXIT
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
# How this machine reaches its mirrors: apt's and pip's settings, names, certificates.
rm -f "$root/etc/apt/sources.list"
cp -a /etc/apt/. "$root/etc/apt/"
cp -L /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null || true
mkdir -p "$root/etc/ssl" "$root/usr/local/share"
cp -aL /etc/ssl/certs "$root/etc/ssl/" 2>/dev/null || true
[ -d /usr/local/share/ca-certificates ] && cp -a /usr/local/share/ca-certificates "$root/usr/local/share/"
[ -e /etc/pip.conf ] && cp /etc/pip.conf "$root/etc/"

rm -rf "$root/src/verbatim"
mkdir -p "$root/src/verbatim"
git archive HEAD | tar -x -C "$root/src/verbatim"
echo "commit $(git rev-parse --short HEAD), $(nproc) cores"

inside() {
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    $(env | grep -E '^(https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY|PIP_[A-Z_]+|SSL_CERT_FILE|REQUESTS_CA_BUNDLE)=' | tr '\n' ' ') \
    chroot "$root" "$@"
}

start=$(date +%s)
inside bash -c 'cd /src/verbatim; ./serve --port 18111 >/src/serve.out 2>/src/serve.err & echo $! >/src/serve.pid; wait $!' &
waiting=$!
for _ in $(seq 900); do
  inside sh -c 'command -v curl >/dev/null && curl -fs http://127.0.0.1:18111/health >/dev/null' && break
  kill -0 "$waiting" 2>/dev/null || { cat "$root/src/serve.err" >&2; echo "./serve ended" >&2; exit 1; }
  sleep 1
done
echo "./serve: from a bare root to ready in $(($(date +%s) - start)) s"
grep '^curl ' "$root/src/serve.out" >"$root/src/line.sh"
inside sh /src/line.sh | tee "$root/src/answer.json"
echo
echo "./serve: from a bare root to the first answer in $(($(date +%s) - start)) s"
grep -q '"chat.completion"' "$root/src/answer.json" || { echo "the printed curl line gives no completion" >&2; exit 1; }
kill -INT "$(cat "$root/src/serve.pid")"
rm -f "$root/src/serve.pid"
wait "$waiting" || { echo "./serve: exit code $? after SIGINT" >&2; exit 1; }
[ -n "$only_serve" ] && exit 0

start=$(date +%s)
inside bash -c 'cd /src/verbatim && ./check'
echo "./check: passed in a bare root in $(($(date +%s) - start)) s"
