# Makes available what tests need and this machine may lack: a Docker daemon, bubblewrap, a browser.
# Source it: docker_up, bubblewrap_up, browser_up, then docker_down at exit.
# Our own daemon starts only when none is reachable: a second one would delete the first one's bridge.

DOCKER_DAEMON_PID=""
DOCKER_DAEMON_DIR=""

docker_up() {
  PATH=$PATH:/usr/sbin:/sbin  # where distributions put dockerd
  if docker version >/dev/null 2>&1; then return 0; fi
  if ! command -v dockerd >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io iptables
  fi
  DOCKER_DAEMON_DIR=$(mktemp -d)
  local d=$DOCKER_DAEMON_DIR
  export DOCKER_HOST=unix://$d/docker.sock
  dockerd --data-root "$d/data" --exec-root "$d/exec" -H "$DOCKER_HOST" --pidfile "$d/pid" \
    --bridge=none --iptables=false >"$d/log" 2>&1 &
  DOCKER_DAEMON_PID=$!
  for _ in $(seq 600); do
    if docker version >/dev/null 2>&1; then return 0; fi
    if ! kill -0 "$DOCKER_DAEMON_PID" 2>/dev/null; then break; fi
    sleep 0.1
  done
  echo "The Docker daemon did not start:" >&2
  tail -n 20 "$d/log" >&2
  return 1
}

# The other sandbox, with which tests run where the kernel lets it.
bubblewrap_up() {
  if ! command -v bwrap >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends bubblewrap
  fi
  local namespaces="--unshare-ipc --unshare-pid --unshare-net --unshare-uts"
  if bwrap $namespaces --cap-drop ALL --ro-bind / / --proc /proc --dev /dev true 2>/dev/null; then
    export AUTORESEARCH_REQUIRE_BUBBLEWRAP=1  # its tests fail from now on instead of being skipped
  else
    echo "bubblewrap does not work here; its tests are skipped." >&2
  fi
}

# The browser that looks at the report, Dagster and MLflow.
browser_up() {
  if ! command -v chromium >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core || true
  fi
  if command -v chromium >/dev/null; then
    export AUTORESEARCH_REQUIRE_BROWSER=1  # its tests fail from now on instead of being skipped
  else
    echo "There is no chromium here; the tests of pages are skipped." >&2
  fi
}

docker_down() {
  [ -n "$DOCKER_DAEMON_PID" ] || return 0
  kill "$DOCKER_DAEMON_PID" 2>/dev/null || true
  for _ in $(seq 150); do
    kill -0 "$DOCKER_DAEMON_PID" 2>/dev/null || break
    sleep 0.1
  done
  umount "$DOCKER_DAEMON_DIR"/exec/netns/default "$DOCKER_DAEMON_DIR/data" 2>/dev/null || true
  rm -rf "$DOCKER_DAEMON_DIR" || true
  DOCKER_DAEMON_PID=""
}
