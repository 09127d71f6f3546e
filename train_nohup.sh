#!/usr/bin/env bash
# Train in the background, outliving the terminal:
#   bash train_nohup.sh [model1|model2|both] [arguments of the training commands]
# With both each has a file and a folder of its own: --config1 and --config2, --out1 and --out2.
# Without arguments of its own a run uses the full-size profile (--profile seed).
# A run that was stopped or broke off goes on where it was saved.
set -euo pipefail

here=$PWD
script=$0
while [ -L "$script" ]; do # macOS's readlink follows one link at a time
  target=$(readlink "$script")
  case "$target" in /*) script=$target ;; *) script=$(dirname "$script")/$target ;; esac
done
cd -P "$(dirname "$script")"

what=both
case "${1:-}" in
  -h | --help | [!-]*) what=$1; shift ;;
esac
case "$what" in
  model1) modules=(training.train_art_ai_model) ;;
  model2) modules=(training.train_model2_pretrained) ;;
  both) modules=(training.train_art_ai_model training.train_model2_pretrained) ;;
  -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$(basename "$script")"; exit 0 ;;
  *) echo "train_nohup.sh: '$what' is not a run; use model1, model2 or both" >&2; exit 2 ;;
esac
given=""
[ $# -eq 0 ] || given=$(printf '%q ' "$@" | sed 's/ --restart / /; s/^--restart //; s/ $//')

# Paths are meant from where the command was typed.
absolute() {
  case "$2" in /*) printf '%s' "$2"; return ;; esac
  case "$1" in
    --out | --out[12] | --config | --config[12] | --progress) printf '%s' "$here/$2" ;;
    --data | --base) if [ -e "$here/$2" ] || [ -e "$here/${2%=*}" ]; then printf '%s' "$here/$2"; else printf '%s' "$2"; fi ;;
    *) printf '%s' "$2" ;;
  esac
}
if [ "$here" != "$(pwd -P)" ] && [ $# -gt 0 ]; then
  option=""
  for _ in $(seq $#); do
    word=$1
    shift
    case "$word" in
      --*=*) word=${word%%=*}=$(absolute "${word%%=*}" "${word#*=}") ;;
      -*) option=$word ;;
      *) word=$(absolute "$option" "$word") ;;
    esac
    set -- "$@" "$word"
  done
fi

[ $# -gt 0 ] || set -- --profile seed

# What belongs to one model of both is taken out of what both are given.
first=() second=()
if [ "$what" = both ]; then
  target=""
  for _ in $(seq $#); do
    word=$1
    shift
    option=$word
    [ -z "$target" ] || option="" # the value of an option of one model
    case "${option%%=*}" in
      --config | --out)
        option=${option%%=*}
        echo "train_nohup.sh: $option with both would be one for two models; give ${option}1 and ${option}2" >&2
        exit 2 ;;
      --config1 | --out1) target=1 word=${word/1/} ;;
      --config2 | --out2) target=2 word=${word/2/} ;;
    esac
    case "$target" in
      1) first+=("$word") ;;
      2) second+=("$word") ;;
      *) set -- "$@" "$word" ;;
    esac
    case "$option" in --config[12] | --out[12]) ;; *) target="" ;; esac
  done
fi
case " $* " in
  *" --resume "* | *" --restart "* | *" --find-learning-rate "*) ;;
  *) set -- "$@" --resume ;; # without an unfinished run it begins one
esac

python=.venv/bin/python
[ -x "$python" ] || python=$(command -v python3)

# The words of a training command, quoted for a shell. (macOS's bash takes an empty list for a name that is not set.)
command_of() {
  local module=$1 own=(${first[@]+"${first[@]}"})
  shift
  [ "$module" = "${modules[0]}" ] || own=(${second[@]+"${second[@]}"})
  printf '%q ' "$python" -u -m "$module" "$@" ${own[@]+"${own[@]}"}
}

# What only tells something is told here and now.
for word in "$@"; do
  case "$word" in
    --list-bases) exec "$python" -m training.train_model2_pretrained --list-bases ;;
    -h | --help | --plan | --plan-for | --plan-for=* | --check | --print-config)
      for module in "${modules[@]}"; do
        eval "$(command_of "$module" "$@")" || exit $?
      done
      exit 0 ;;
  esac
done

mkdir -p logs

# One start at a time, since each looks whether there is a run before it begins one. The file of a start that was killed,
# or whose number is another program's by now, is taken.
starting=logs/.starting
until (set -o noclobber && echo $$ >"$starting") 2>/dev/null; do
  [ -w logs ] || { echo "train_nohup.sh: $PWD/logs cannot be written; change its owner or its rights" >&2; exit 2; }
  if ! kill -0 "$(cat "$starting" 2>/dev/null)" 2>/dev/null || [ -n "$(find "$starting" -mmin +10 2>/dev/null)" ]; then
    rm -f "$starting"
  fi
  sleep 0.2
done
trap 'rm -f "$starting"' EXIT

# One run of a model at a time: two would write the same checkpoint. The whole group counts, since a run that was told
# to stop saves its state first.
# A number may be another program's by now, after the machine was started again.
runs_here() {
  local number=$1 told
  kill -0 -- "-$number" 2>/dev/null || return 1
  told=$(ps -A -o pgid= -o args= 2>/dev/null) || return 0 # without ps the number has to do
  printf '%s\n' "$told" | awk -v group="$number" '$1 == group && /training[.]train_/ { found = 1 } END { exit !found }'
}
for other in "$what" both $([ "$what" = both ] && echo model1 model2); do
  pid_file="logs/$other.pid"
  if [ -f "$pid_file" ] && runs_here "$(cat "$pid_file")"; then
    echo "train_nohup.sh: $other is already running as process $(cat "$pid_file"); wait for it or stop it: kill -- -$(cat "$pid_file")" >&2
    exit 2
  fi
done

# What stands against a run is told here, for both models before the first begins, and not in the log.
for module in "${modules[@]}"; do
  eval "$(command_of "$module" --check "$@")" || exit $?
done

log="logs/$what-$(date +%Y%m%d-%H%M%S).log"
command=""
for module in "${modules[@]}"; do
  command+="${command:+ && }$(command_of "$module" "$@")"
done
# A session of its own: no hang-up reaches it, and its number stops it whole. Through Python, since macOS has no setsid.
nohup "$python" -c 'import os, sys; os.setsid(); os.execvp("bash", sys.argv[1:])' \
  bash -c "$command" >"$log" 2>&1 </dev/null &
pid=$!
echo "$pid" >"logs/$what.pid"
for _ in $(seq 50); do # until the session stands, by which a second start is refused
  kill -0 -- "-$pid" 2>/dev/null && break
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.1
done

[ "$here" = "$(pwd -P)" ] || log=$(pwd -P)/$log
echo "process: $pid"
echo "log:     $log"
echo "watch:   tail -f $log"
echo "stop:    kill -- -$pid"
echo "go on:   bash $(printf '%q' "$0") $what${given:+ $given}"
