# What every container of a pod runs: one program, joined to the files of its folder. POSIX sh: dash, bash, busybox sh.
#
# usage: sh connector_wrapper.sh source|main|destination|program FOLDER COMMAND [ARGUMENT...]
#
#   source, main   stdin is /dev/null; stdout goes to the FIFO FOLDER/out, stderr to FOLDER/err
#   destination    the same, and stdin is the FIFO FOLDER/in
#   program        stdin is /dev/null; stdout and stderr go to the file FOLDER/log
#
# The FIFO FOLDER/control takes words, a line each:
#   release        let go of the destination's input: when the orchestrator has closed its own end too, the input ends
#   TERM, KILL     signal the program
# It is open from the wrapper's first moment to the program's end (before and after, O_WRONLY|O_NONBLOCK says ENXIO); a word
# that comes before the program was started waits for it. SIGTERM to the wrapper is the word TERM.
#
# Why a holder of a WRITE end: without it a dead orchestrator would look like a regular end of input; and one that could
# read as well would hide the destination's death from the writer, who would block for ever instead of getting EPIPE.
#
# FOLDER/exit_code is the program's own code (128+n: ended by signal n; 127, 126: could not be started). The shell that
# waits for it ignores TERM, because `wait` and a trap do not go together: bash 5.2 loses the code of a child that ends
# while the trap runs (`wait` says -1: seen in 2 % of such ends). So one shell waits and another one takes the signals.
mode=$1 folder=$2
shift 2

exec 6<>"$folder/control"
trap 'echo TERM >&6' TERM

(
  case $mode in
    destination) exec 3<>"$folder/in" 4>"$folder/in" 5<"$folder/in" 3<&- ;;
    *) exec 5</dev/null ;;
  esac

  # In the background the child opens its own redirections: one that waits there for a reader can still be ended.
  case $mode in
    program) "$@" <&5 5<&- 6<&- >>"$folder/log" 2>&1 & ;;
    *) "$@" <&5 4>&- 5<&- 6<&- >"$folder/out" 2>"$folder/err" & ;;
  esac
  pid=$!
  trap '' TERM
  exec 5<&-

  # Control and holder are one process: it keeps the write end of `in` (4) until it is told to let go.
  while read -r word; do
    case $word in
      release) exec 4>&- ;;
      TERM | KILL) kill "-$word" "$pid" 2>/dev/null ;;
    esac
  done <&6 &
  control=$!
  exec 4>&- 6<&-

  wait "$pid"
  code=$?
  kill -KILL "$control" 2>/dev/null
  wait "$control" 2>/dev/null
  echo "$code" >"$folder/exit_code.tmp"
  mv -f "$folder/exit_code.tmp" "$folder/exit_code"
) &
waiting=$!

while kill -0 "$waiting" 2>/dev/null; do
  wait "$waiting"
done
read -r code 2>/dev/null <"$folder/exit_code" || code=137
exit "$code"
