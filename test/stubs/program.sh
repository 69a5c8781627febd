#!/bin/sh
# Stands in for a program under whatever name it is copied to: notes each call, then does what the test wrote beside it.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
printf '%s\n' "$*" >>"$0.calls"
. "$0.does"
