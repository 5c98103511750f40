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
# Where `setsid` exists the program leads a process group of its own and a signal goes to the whole group: a start script
# that does not `exec` would otherwise swallow it. After SIGTERM the group may take its time; KILL ends it.
#
# It is open from the wrapper's first moment to the program's end (before and after, O_WRONLY|O_NONBLOCK says ENXIO); a word
# that comes before the program was started waits for it. SIGTERM to the wrapper is the word TERM.
#
# Why a holder of a WRITE end: without it a dead orchestrator would look like a regular end of input; and one that could
# read as well would hide the destination's death from the writer, who would block for ever instead of getting EPIPE.
#
# FOLDER/out_of_memory appears before exit_code when the kernel has killed something in our cgroup for want of memory
# meanwhile; it holds the cgroup's limit in bytes (`max`: none).
#
# FOLDER/exit_code is the program's own code (128+n: ended by signal n; 127, 126: could not be started). The shell that
# waits for it ignores TERM, because `wait` and a trap do not go together: bash 5.2 loses the code of a child that ends
# while the trap runs (`wait` says -1: seen in 2 % of such ends). So one shell waits and another one takes the signals.
mode=$1 folder=$2
shift 2

exec 6<>"$folder/control"
trap 'echo TERM >&6' TERM

# How often the kernel has killed here for want of memory: cgroup v2, or v1.
kills_for_memory() {
  for events in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
    [ -r "$events" ] || continue
    while read -r name count; do
      [ "$name" = oom_kill ] && echo "$count"
    done <"$events"
    return
  done
}
memory_limit() {
  for limit in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    [ -r "$limit" ] && read -r bytes <"$limit" && echo "$bytes" && return
  done
  echo max
}
# A file appears with its content or, where there is no `mv`, is complete once it ends with a newline.
tell() {
  umask 022
  echo "$2" >"$folder/$1.tmp" && mv -f "$folder/$1.tmp" "$folder/$1" 2>/dev/null || echo "$2" >"$folder/$1"
}
group=
command -v setsid >/dev/null 2>&1 && group=setsid

killed=$(kills_for_memory)
(
  case $mode in
    destination) exec 3<>"$folder/in" 4>"$folder/in" 5<"$folder/in" 3<&- ;;
    *) exec 5</dev/null ;;
  esac

  # In the background the child opens its own redirections: one that waits there for a reader can still be ended.
  case $mode in
    program) "$@" <&5 5<&- 6<&- >>"$folder/log" 2>&1 & ;;
    *) $group "$@" <&5 4>&- 5<&- 6<&- >"$folder/out" 2>"$folder/err" & ;;
  esac
  pid=$!
  trap '' TERM
  exec 5<&-

  # Control and holder are one process: it keeps the write end of `in` (4) until it is told to let go.
  while read -r word; do
    case $word in
      release) exec 4>&- ;;
      TERM | KILL)
        [ "$word" = KILL ] && : >"$folder/killed"
        kill "-$word" "-$pid" 2>/dev/null || kill "-$word" "$pid" 2>/dev/null
        ;;
    esac
  done <&6 &
  control=$!
  exec 4>&- 6<&-

  wait "$pid"
  code=$?
  # What a start script left may end in order. It is no longer waited for after KILL: where nobody reaps, it stays a zombie.
  while [ "$code" = 143 ] && [ ! -e "$folder/killed" ] && kill -0 "-$pid" 2>/dev/null; do
    sleep 0.1 || break
  done
  kill -KILL "$control" 2>/dev/null
  wait "$control" 2>/dev/null
  [ "$code" != 0 ] && [ "$(kills_for_memory)" != "$killed" ] && tell out_of_memory "$(memory_limit)"
  tell exit_code "$code"
) &
waiting=$!

while kill -0 "$waiting" 2>/dev/null; do
  wait "$waiting"
done
read -r code 2>/dev/null <"$folder/exit_code" || code=137
exit "$code"
