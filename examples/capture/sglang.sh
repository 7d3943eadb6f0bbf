#!/usr/bin/env bash
# Captures a number of steps of an SGLang server under load and exports the trace. Usage: MODEL=name ./sglang.sh
set -euo pipefail
# shellcheck source=server.sh
source "$(dirname "${BASH_SOURCE[0]}")/server.sh"

: "${MODEL:?set MODEL to a model name or folder}"
OUT=${OUT:-$PWD}
PORT=${PORT:-30000}
PROMPTS=${PROMPTS:-100}
CONCURRENCY=${CONCURRENCY:-16}
STEPS=${STEPS:-50}
read -r -a SERVE_ARGS <<<"${SERVE_ARGS:-}"
need nsys python3 curl

bench() {
  python3 -m sglang.bench_serving --backend sglang --port "$PORT" --dataset-name random \
    --random-input-len 512 --random-output-len 128 --num-prompts "$PROMPTS" --max-concurrency "$CONCURRENCY"
}

start_server nsys profile \
  --trace=cuda,nvtx \
  --sample=none \
  --cpuctxsw=none \
  --cuda-graph-trace=node \
  --capture-range=cudaProfilerApi \
  --capture-range-end=stop \
  --trace-fork-before-exec=true \
  -o "$OUT/sglang" --force-overwrite=true \
  python3 -m sglang.launch_server --model-path "$MODEL" --port "$PORT" ${SERVE_ARGS[@]+"${SERVE_ARGS[@]}"}

say "wait for the server"
await_server "http://127.0.0.1:$PORT/health" 1800
say "warm up, not recorded"
bench
say "record $STEPS steps of a second benchmark"
curl --fail --silent --show-error --request POST "http://127.0.0.1:$PORT/start_profile" \
  --header "Content-Type: application/json" \
  --data "{\"activities\": [\"CUDA_PROFILER\"], \"start_step\": 3, \"num_steps\": $STEPS}" &
start_request=$!
bench
wait "$start_request"
say "stop the server and write the report"
stop_server
export_reports "$OUT/sglang"
