#!/usr/bin/env bash
# Run the preset `gpu` for two experiments on a machine with an NVIDIA GPU and Docker, and print what is to be
# recorded under benchmarks/.  Takes about an hour: the noise floor alone is 5 trainings of up to 300 s.
#
# Run from the root of the checkout, in its environment: benchmarks/gpu_check.sh [FOLDER [SOURCE]]; the source is
# climbmix (fetched from the hub) or a folder of its shards: the sample corpus has too few rows for this preset.
set -euo pipefail
home=${1:-$(mktemp -d)}
terms=(--preset gpu --source "${2:-climbmix}" --n-experiments 2 --batch-size 2 --memory-key gpu-check)
export AUTORESEARCH_HOME=$home AUTORESEARCH_MLRUNS=$home/mlruns DAGSTER_HOME=$home/dagster AUTORESEARCH_RUNNER=docker
mkdir -p "$DAGSTER_HOME"
autoresearch=(python -m autoresearch_dagster.cli)

echo "== machine"
git rev-parse HEAD
uname -sr
nproc
nvidia-smi -L
nvidia-smi --query-gpu=uuid,name,memory.total,driver_version,mig.mode.current --format=csv
docker version --format 'docker {{.Server.Version}}'
docker info --format 'runtimes {{json .Runtimes}} cgroup v{{.CgroupVersion}}'
"${autoresearch[@]}" doctor

echo "== a container sees one GPU"
"${autoresearch[@]}" image
first=$(nvidia-smi -L | grep -oE '(GPU|MIG)-[0-9A-Za-z/-]+' | tail -1)
image=${AUTORESEARCH_IMAGE:-autoresearch/trainer:local}
docker run --rm --network none --gpus "device=$first" --entrypoint /opt/trainer-env/bin/python "$image" -c \
  'import torch; print(torch.__version__, torch.cuda.device_count(), torch.cuda.get_device_name(0))'

echo "== two experiments"
"${autoresearch[@]}" run "${terms[@]}" --dry-run
begun=$(date +%s)
"${autoresearch[@]}" run "${terms[@]}"
echo "wall seconds of the session: $(($(date +%s) - begun))"

echo "== to be recorded"
"${autoresearch[@]}" leaderboard gpu-check --json
"${autoresearch[@]}" history gpu-check
find "$home/tolerances" -type f -exec cat {} + # of the audit on this device
docker ps --all --filter label=autoresearch.key --quiet | wc -l # containers left behind: 0
nvidia-smi --query-compute-apps=pid,used_memory --format=csv,noheader | wc -l # processes left on the device: 0
echo "home: $home"
