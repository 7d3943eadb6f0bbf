#!/usr/bin/env bash
# Captures a span of iterations of trtllm-bench and exports the trace. Usage: MODEL=name ./tensorrt-llm.sh
set -euo pipefail
# shellcheck source=server.sh
source "$(dirname "${BASH_SOURCE[0]}")/server.sh"

: "${MODEL:?set MODEL to a model name}"
OUT=${OUT:-$PWD}
ITERATIONS=${ITERATIONS:-100-150}
PROMPTS=${PROMPTS:-256}
DATASET=${DATASET:-$OUT/dataset.txt}
need nsys trtllm-bench

if [[ ! -f $DATASET ]]; then
  say "make $DATASET"
  trtllm-bench --model "$MODEL" dataset --output "$DATASET" token-norm-dist \
    "--num-requests=$PROMPTS" --input-mean=512 --output-mean=128 --input-stdev=0 --output-stdev=0
fi

say "record iterations $ITERATIONS"
export TLLM_PROFILE_START_STOP=$ITERATIONS
export TLLM_LLMAPI_ENABLE_NVTX=1
nsys profile \
  --trace=cuda,nvtx,python-gil \
  --sample=none \
  --cpuctxsw=none \
  --cuda-graph-trace=node \
  --capture-range=cudaProfilerApi \
  --capture-range-end=stop \
  --trace-fork-before-exec=true \
  -o "$OUT/trtllm" --force-overwrite=true \
  trtllm-bench --model "$MODEL" throughput --dataset "$DATASET" --backend pytorch
export_reports "$OUT/trtllm"
