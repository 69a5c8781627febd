// The few changes to the running kernel: load a module, remove a device, insert a firewall rule.

import type { Kernel } from '../ports/host.ts';
import { assertSucceeded, type Exec } from './child-exec.ts';

const deadlineMs = 10_000;
/** iptables waits this long for the lock that docker and flannel take too. */
const lockWaitSecs = 5;

/** The Kernel port by modprobe, ip and iptables. */
export function linuxKernel(exec: Exec): Kernel {
  return {
    async loadModule(name) {
      const result = await exec.run(['modprobe', '--', name], { deadlineMs });
      assertSucceeded(
        result,
        `load the kernel module ${name}`,
        `see whether the modules of the running kernel are installed: ls /lib/modules/$(uname -r); after a kernel update, reboot`,
      );
    },
    async removeDevice(name) {
      const result = await exec.run(['ip', 'link', 'delete', 'dev', name], { deadlineMs });
      if (result.exitCode !== 0 && /Cannot find device|does not exist/.test(result.stderr)) return;
      assertSucceeded(result, `remove the network device ${name}`, `see ip -d link show ${name}`);
    },
    async hasFirewallChain(table, chain) {
      const list = await exec.run(['iptables', '-w', String(lockWaitSecs), '-t', table, '-n', '-L', chain], {
        deadlineMs,
      });
      if (list.exitCode !== 0 && isNotThere(list.stderr)) return false;
      assertSucceeded(list, `look at the chain ${chain} of the ${table} table`, `see iptables -t ${table} -S`);
      return true;
    },
    async ensureFirewallRule(table, chain, rule) {
      const base = ['-w', String(lockWaitSecs), '-t', table] as const;
      const check = await exec.run(['iptables', ...base, '-C', chain, ...rule], { deadlineMs });
      if (check.exitCode === 0) return false;
      // Exit code 1 is "no such rule" (or chain); with any other the answer is unknown, and a second copy would be the price.
      if (check.exitCode !== 1) {
        assertSucceeded(
          check,
          `look for a rule in the chain ${chain} of the ${table} table`,
          `see iptables -t ${table} -S`,
        );
      }
      const insert = await exec.run(['iptables', ...base, '-I', chain, ...rule], { deadlineMs });
      assertSucceeded(
        insert,
        `insert a rule into the chain ${chain} of the ${table} table`,
        `see iptables -t ${table} -S ${chain}; docker makes its own chains when it starts`,
      );
      return true;
    },
  };
}

function isNotThere(stderr: string): boolean {
  return /No chain\/target\/match by that name|does not exist/.test(stderr);
}
