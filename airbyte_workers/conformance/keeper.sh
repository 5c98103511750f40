# What the kit's pods run in the orchestrator's place. The kit itself reads the pipes; this one stays for the case that the
# kit is killed: then the connector must not go on.
#
# usage: sh keeper.sh PID WORD --own FOLDER --source|--destination|--main FOLDER
kit=$1
shift 2
while [ $# -gt 1 ]; do
  case $1 in
    --own) own=$2 ;;
    *) connector=$2 ;;
  esac
  shift 2
done

: >"$own/ready"
while kill -0 "$kit" 2>/dev/null; do
  sleep 1
done
# Opened for both: without a reader, which has gone with its connector, this would wait for one.
echo KILL 1<>"$connector/control"
