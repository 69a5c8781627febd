#!/bin/sh
# greenboot's required check: red, and after an update rolled back, is only what this host alone decides.
#
# A sick cluster must not roll back a healthy host: neither etcd nor peers are asked, and what is still on its way is no
# failure. An agent that cannot even answer is one: after an update that is what the update broke.
set -u

# greenboot has no time limit of its own, and would keep the host from boot-complete.target
timeout --kill-after=5 60 diyc-agent status --local
code=$?
case "$code" in
  0) exit 0 ;;
  1) echo "diyc-agent: this host is not as it has to be, by facts of its own (above): look with 'diyc-agent status'" >&2 ;;
  124 | 137) echo "diyc-agent: 'diyc-agent status --local' had no answer within 60 seconds" >&2 ;;
  *) echo "diyc-agent: 'diyc-agent status --local' ended with $code instead of an answer" >&2 ;;
esac
exit 1
