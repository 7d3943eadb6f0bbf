#!/usr/bin/env bash
# Captures a warmed-up vLLM server under load and exports the trace. Usage: MODEL=name ./vllm.sh
set -euo pipefail
# shellcheck source=server.sh
source "$(dirname "${BASH_SOURCE[0]}")/server.sh"

: "${MODEL:?set MODEL to a model name or folder}"
OUT=${OUT:-$PWD}
PORT=${PORT:-8000}
PROMPTS=${PROMPTS:-32}
CONCURRENCY=${CONCURRENCY:-16}
read -r -a SERVE_ARGS <<<"${SERVE_ARGS:-}"
need nsys vllm curl

bench() {
  vllm bench serve --backend vllm --model "$MODEL" --port "$PORT" --dataset-name random \
    --random-input-len 512 --random-output-len 128 \
    --num-prompts "$PROMPTS" --max-concurrency "$CONCURRENCY" "$@"
}

export VLLM_WORKER_MULTIPROC_METHOD=spawn
export VLLM_NVTX_SCOPES_FOR_PROFILING=1
start_server nsys profile \
  --trace=cuda,nvtx \
  --sample=none \
  --cpuctxsw=none \
  --cuda-graph-trace=node \
  --capture-range=cudaProfilerApi \
  --capture-range-end=repeat \
  --trace-fork-before-exec=true \
  -o "$OUT/vllm" --force-overwrite=true \
  vllm serve "$MODEL" --port "$PORT" --profiler-config.profiler cuda ${SERVE_ARGS[@]+"${SERVE_ARGS[@]}"}

say "wait for the server"
await_server "http://127.0.0.1:$PORT/health" 1800
say "warm up, not recorded"
bench
say "record one benchmark"
bench --profile
say "stop the server and write the report"
stop_server
export_reports "$OUT/vllm"
