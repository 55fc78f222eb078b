# Sourced by what starts programs that a fresh machine may lack.

# Makes sure of something: its name, Debian's package of it, and a command that succeeds once it is
# there. A server that is installed is not started: tests start their own.
need() {
  local name=$1 package=$2
  shift 2
  "$@" >/dev/null 2>&1 && return
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" || true
  fi >/dev/null 2>&1
  "$@" >/dev/null 2>&1 && return
  echo "$0: needs $name, which is neither here nor could be installed" >&2
  exit 1
}
