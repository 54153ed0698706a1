#!/usr/bin/env bash
# benchmarks/gpu.sh: everything that is tested and measured on a GPU, in one run of less than ten minutes, and one JSON record of it.
#
#   benchmarks/gpu.sh                    builds here (build/gpu), then runs
#   benchmarks/gpu.sh --prepare DIR      no GPU needed: builds, and puts programs into DIR that run on machines without this project's packages
#   benchmarks/gpu.sh --programs DIR     runs those
#
# Options: --budget SECONDS   for all of it, building too [560]        --commit ID     what the record says [this repository's, or DIR's]
#          --record FILE      [benchmarks/records/DATE-gpu-NAME.json]  --name NAME     in that name [the GPU's]
#          --raw DIR          keep the parts' outputs there            --march ARCH    what --prepare compiles for [x86-64-v3]
#          --python FILE      one that has PyTorch [python3]           --jobs N        of building [all cores]
#          --only WORD,WORD   of the parts below                       --no-torch, --shapes A,B, --batch N,N, --repetitions N
#
# Parts: the card as nvidia-smi tells it (nothing is set), the rates of memory and of bf16 products, and of --only WORD,WORD...
#   tests        the programs called *_tests, a quarter of the budget where they are not alone
#   real_shapes  what batches of the 7B shape sample is scored the same, which tests leave out for its time: in no call that does not ask for it
#   sanitizers   compute-sanitizer's memcheck, initcheck, synccheck and racecheck on a small model: in no call that does not ask for them
#   verbatim     `verbatim bench` on the shapes, the 8B and 7B first; what exactness costs; the library's kernels alone
#   torch        PyTorch on the same shapes
#   compile      the same by torch.compile, which takes long
# without it: tests,verbatim,torch,compile. Each part has a time of its own; what fails or is not reached is in the record as not measured, and
# so is each bar without a figure. Calls of one commit, card and day add to one record (of a tree with changes, "+", they do not: a file of
# another run stays, NAME-2.json is written). A session of three calls of ten minutes, each with --programs DIR --raw DIR and the same --record:
#   1. gpu.sh                            2. gpu.sh --only sanitizers             3. gpu.sh --only torch,compile
# (the third with `tests` or `verbatim` first where the first did not reach them). Records that were not in one place: benchmarks/gpu_merge.py.
#
# Exit codes: 0 done; 1 a test or a sanitizer failed or did not end in its time, nvidia-smi shows a card that no program can use, or no
# record could be made: outputs are kept then, in the folder that is named; 2 wrong usage or no build; 77 no GPU (nothing is written).
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
root=$(dirname "$here")

prepare= programs= budget=560 commit= record= name= raw= march=x86-64-v3 python=python3 jobs=$(nproc) more=()
while [ $# -gt 0 ]; do
  case $1 in
    -h|--help) sed -n '2,/^set -/{s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    --no-torch) more+=("$1"); shift; continue ;;
  esac
  [ $# -ge 2 ] || { echo "gpu.sh: $1 needs a value, or is unknown (--help)" >&2; exit 2; }
  case $1 in
    --prepare|--programs|--budget|--commit|--record|--name|--raw|--march|--python|--jobs) printf -v "${1#--}" %s "$2" ;;
    --shapes|--batch|--repetitions|--only) more+=("$1" "$2") ;;
    *) echo "gpu.sh: unknown option $1 (--help)" >&2; exit 2 ;;
  esac
  if [ "$1" = --only ] && ! [[ $2 =~ ^((tests|real_shapes|sanitizers|verbatim|torch|compile)(,|$))+$ ]]; then
    echo "gpu.sh: --only takes some of tests,real_shapes,sanitizers,verbatim,torch,compile" >&2
    exit 2
  fi
  shift 2
done
[[ $budget =~ ^[0-9]+$ ]] || { echo "gpu.sh: --budget takes whole seconds" >&2; exit 2; }

commit_here() {
  local id
  id=$(git -C "$root" rev-parse --short HEAD 2>/dev/null) || { echo unknown; return; }
  [ -z "$(git -C "$root" status --porcelain --untracked-files=no 2>/dev/null)" ] || id+=+   # a plus: with changes since
  echo "$id"
}

# build FOLDER SECONDS [-DNAME=VALUE...]: the programs that a GPU is measured with. Tests are left out where their packages are missing.
benches=(bench_gpu_rates bench_gpu_kernels bench_contract)
targets=("${benches[@]}" cuda_tests verbatim_cli)
build() {
  local folder=$1 seconds=$2; shift 2
  local generator=(); if command -v ninja >/dev/null; then generator=(-G Ninja); fi
  local common=(-S "$root" -B "$folder" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DVERBATIM_CUDA=ON -DVERBATIM_EXAMPLES=ON -DVERBATIM_BENCHMARKS=ON "$@")
  mkdir -p "$folder"
  if ! cmake "${common[@]}" -DVERBATIM_TESTS=ON >"$folder/configure.log" 2>&1; then
    echo "the tests' packages are not all here: building without tests" >&2
    targets=("${benches[@]}" verbatim_cli)
    cmake "${common[@]}" -DVERBATIM_TESTS=OFF >"$folder/configure.log" 2>&1 || { tail -n 20 "$folder/configure.log" >&2; return 1; }
  fi
  rm -f "$folder"/bin/{bench_gpu_rates,bench_gpu_kernels,bench_contract,cuda_tests,verbatim}   # what is there afterwards is of these sources
  timeout "$seconds" cmake --build "$folder" --parallel "$jobs" --target "${targets[@]}" >"$folder/build.log" 2>&1 && return
  tail -n 20 "$folder/build.log" >&2
  echo "the build did not end well, or not within $seconds s: going on with what is there" >&2
}

if [ -n "$prepare" ]; then
  pcre2=$("${CXX:-g++}" -print-file-name=libpcre2-8.a)
  [ -e "$pcre2" ] || { echo "gpu.sh: no static PCRE2 here (libpcre2-8.a)" >&2; exit 2; }
  folder=$root/build/gpu-programs
  build "$folder" 86400 -DVERBATIM_NATIVE=OFF -DCMAKE_CXX_FLAGS="-march=$march" -DPCRE2_LIBRARY="$pcre2" \
    -DCMAKE_EXE_LINKER_FLAGS="-static-libstdc++ -static-libgcc" || exit 2
  mkdir -p "$prepare"
  for program in "${benches[@]}" cuda_tests verbatim; do
    if [ ! -x "$folder/bin/$program" ]; then
      case " ${targets[*]/verbatim_cli/verbatim} " in *" $program "*) echo "gpu.sh: $program was not built" >&2; exit 2 ;; *) continue ;; esac
    fi
    strip -o "$prepare/$program" "$folder/bin/$program"
  done
  printf '{"commit": "%s", "march": "%s", "compiler": "%s", "nvcc": "%s"}\n' "${commit:-$(commit_here)}" "$march" "$("${CXX:-g++}" -dumpfullversion)" \
    "$(grep -oP 'CMAKE_CUDA_COMPILER_VERSION "\K[^"]+' "$folder"/CMakeFiles/*/CMakeCUDACompiler.cmake | head -n 1)" >"$prepare/about.json"
  size=$(du -sm "$prepare" | cut -f 1)
  echo "$prepare: $size MiB; copy it beside this project, then benchmarks/gpu.sh --programs DIR" >&2
  [ "$size" -le 40 ] || { echo "gpu.sh: more than 40 MiB" >&2; exit 2; }
  exit 0
fi

gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1) || gpu=
[ -n "$gpu" ] || { echo "There is no NVIDIA GPU here (nvidia-smi shows none): nothing was measured, nothing written." >&2; exit 77; }

about='{}'
if [ -z "$programs" ]; then
  build "$root/build/gpu" $((budget * 6 / 10)) || { echo "gpu.sh: cannot be built here; prepare programs elsewhere: benchmarks/gpu.sh --prepare DIR" >&2; exit 2; }
  programs=$root/build/gpu/bin
  [ -n "$commit" ] || commit=$(commit_here)
  about='{"built": "where they ran"}'
elif [ -e "$programs/about.json" ]; then
  about=$(cat "$programs/about.json")
fi
[ -d "$programs" ] || { echo "gpu.sh: $programs is not there" >&2; exit 2; }
chmod +x "$programs"/* 2>/dev/null || true
today=$(date +%F)
slug=$(printf %s "${name:-${gpu#NVIDIA }}" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9.-')
[ -n "$record" ] || record=$here/records/$today-gpu-$slug.json
mkdir -p "$(dirname "$record")"
if [ -z "$raw" ]; then   # after a failure they are all that tells why
  raw=$(mktemp -d)
  trap 'if [ $? -eq 0 ]; then rm -rf "$raw"; else echo "outputs of all parts are kept: $raw" >&2; fi' EXIT
fi
about=$("$python" -c '
import json, sys
programs, commit, date = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
print(json.dumps({"commit": commit or programs.get("commit", ""), "date": date, "programs": programs}))' "$about" "$commit" "$today")
status=0
"$python" "$here/gpu_run.py" --programs "$programs" --raw "$raw" --record "$record" --about "$about" --python "$python" \
  --budget $((budget - SECONDS)) "${more[@]}" || status=$?
exit $status
