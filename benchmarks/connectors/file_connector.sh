#!/bin/sh
# The smallest connector of the benchmark, source and destination: sh file_connector.sh FOLDER COMMAND [OPTION...]
#
# FOLDER/messages.jsonl  what the source sends, FOLDER/repeat times one after another (once where there is no such file)
# FOLDER/catalog.json    the line with its CATALOG
# FOLDER/came            when the destination had its first line, in seconds; told where there is a file FOLDER/timed
# The destination echoes every state and forgets the rest.
folder=$1
case $2 in
  spec) echo '{"type":"SPEC","spec":{"connectionSpecification":{"type":"object"},"supported_destination_sync_modes":["append"]}}' ;;
  check) echo '{"type":"CONNECTION_STATUS","connectionStatus":{"status":"SUCCEEDED"}}' ;;
  discover) exec cat "$folder/catalog.json" ;;
  read)
    [ -e "$folder/repeat" ] || exec cat "$folder/messages.jsonl"
    read -r times <"$folder/repeat"
    while [ "$times" -gt 0 ]; do
      cat "$folder/messages.jsonl" || exit
      times=$((times - 1))
    done
    ;;
  write)
    if [ -e "$folder/timed" ]; then
      IFS= read -r first
      date +%s.%N >"$folder/came"
    fi
    exec grep -aF --line-buffered '{"type":"STATE",'
    ;;
esac
