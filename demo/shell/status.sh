# What the demo's own server is doing, drawn anew every two seconds until it ends. `keyhole demo` records it with `keyhole rec`: that
# is the recording that is "live now". Everything comes from /proc and the server's directory.
#
#     sh status.sh PID DIR

pid=$1 dir=$2
hz=$(getconf CLK_TCK 2>/dev/null || echo 100)
began=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f20) # in ticks since boot

field() { # file name: the value of "name: value" in it
    sed -n "s/^$2:[[:space:]]*//p" "$1" 2>/dev/null
}

clock() { # seconds: H:MM:SS
    printf '%d:%02d:%02d' $(($1 / 3600)) $(($1 / 60 % 60)) $(($1 % 60))
}

process() { # pid name: a line of the table
    stat=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) || return
    set -- "$1" "$2" $stat
    printf '  %-12s %7d %9s %9d %8d.%02d s\033[K\n' "$2" "$1" "$(field "/proc/$1/status" VmRSS)" "$(field "/proc/$1/status" Threads)" \
        $(((${14} + ${15}) / hz)) $(((${14} + ${15}) % hz * 100 / hz))
}

draw() {
    now=$(cut -d. -f1 /proc/uptime)
    printf '\033[1mThe server of this demo\033[0m   %s   up %s\033[K\n\033[K\n' "$(date -u '+%Y-%m-%d %H:%M:%S UTC')" "$(clock $((now - began / hz)))"
    printf '  \033[2m%-12s %7s %9s %9s %13s\033[0m\033[K\n' process pid memory threads 'processor'
    process "$pid" supervisor
    for child in $(cat "/proc/$pid/task/"*/children 2>/dev/null); do
        # The second and third word only: the recorder's arguments hold this whole text.
        word=$(tr '\0' '\n' <"/proc/$child/cmdline" 2>/dev/null | sed -n 2p)
        case $word in
        role) process "$child" "$(tr '\0' '\n' <"/proc/$child/cmdline" | sed -n 3p)" ;;
        rec) process "$child" 'keyhole rec' ;;
        esac
    done
    printf '\033[K\n  stored recordings  %5d KiB in %d files\033[K\n' "$(du -sk "$dir/blobs" 2>/dev/null | cut -f1)" "$(find "$dir/blobs" -type f 2>/dev/null | wc -l)"
    printf '  database           %5d KiB\033[K\n' "$(du -sk "$dir/meta" 2>/dev/null | cut -f1)"
    printf '  load of the machine  %s\033[K\n\033[K\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
    printf '  \033[2mRecorded by keyhole rec, now. Who watches it is in the audit log.\033[0m\033[K\n\033[J'
}

printf '\033[2J'
while kill -0 "$pid" 2>/dev/null; do
    printf '\033[H'
    draw
    sleep 2
done
