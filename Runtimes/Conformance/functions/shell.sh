#!/bin/sh
# The Lambda Runtime API in sh. _HANDLER chooses what to do with an event.
set -u
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"

case $_HANDLER in
init.error)
    curl -sS -o /dev/null -H 'Lambda-Runtime-Function-Error-Type: Shell.NotReady' \
        --data-binary '{"errorMessage": "nothing is ready", "errorType": "Shell.NotReady"}' "$api/init/error"
    exit 1
    ;;
init.exit)
    exit 6
    ;;
esac

while :; do
    curl -sS -D /tmp/headers -o /tmp/event "$api/invocation/next" || exit 70
    request=$(tr -d '\r' </tmp/headers | while IFS=': ' read -r name value; do
        case $name in
        [Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d) echo "$value" ;;
        esac
    done)
    outcome=response
    set -- --data-binary @/tmp/event
    case $_HANDLER in
    shell.echo)
        echo "request $request"
        ;;
    shell.headers)
        tr -d '\r' </tmp/headers | cut -d : -f 1 | tr '[:upper:]' '[:lower:]' | while read -r name; do
            case $name in
            lambda-*) echo "$name" ;;
            esac
        done | sort -u >/tmp/names
        printf '"%s"' "$(tr '\n' ' ' </tmp/names)" >/tmp/answer
        set -- --data-binary @/tmp/answer
        ;;
    shell.error)
        outcome=error
        set -- -H 'Lambda-Runtime-Function-Error-Type: Shell.Refused' \
            --data-binary '{"errorMessage": "not today", "errorType": "Shell.Refused"}'
        ;;
    shell.exit)
        echo 'leaving'
        exit 5
        ;;
    shell.sleep)
        sleep 3600
        ;;
    shell.large)
        { printf '"'; head -c 6291555 /dev/zero | tr '\0' x; printf '"'; } >/tmp/answer
        set -- --data-binary @/tmp/answer
        ;;
    shell.protocol)
        # What the protocol refuses, by its status: restoring, a method, a path, another's request.
        status() { curl -sS -o /dev/null -w '%{http_code}' "$@"; }
        printf '"%s %s %s %s"' "$(status "$api/restore/next")" "$(status -X DELETE "$api/invocation/next")" \
            "$(status -d '{}' "$api/nothing")" "$(status -d '{}' "$api/invocation/none/response")" >/tmp/answer
        set -- --data-binary @/tmp/answer
        ;;
    shell.state)
        state=first
        [ -e /tmp/state ] && state=again
        : >/tmp/state
        printf '"%s"' "$state" >/tmp/answer
        set -- --data-binary @/tmp/answer
        ;;
    esac
    status=$(curl -sS -o /dev/null -w '%{http_code}' "$@" "$api/invocation/$request/$outcome") || exit 70
    [ "$status" = 202 ] || echo "the answer was refused with status $status"
done
