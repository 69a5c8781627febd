// `completion bash|zsh|fish`: made from the program itself, so that it never lags behind.

import type { Command } from 'commander';
import type { Action } from './command.ts';

/** Print the completion script of a shell, from the program that called this. */
export const runCompletion: Action = async ({ out }, _options, [shell], program) => {
  const words = wordsOf(program);
  out(shell === 'fish' ? fish(words) : shell === 'zsh' ? zsh(words) : bash(words));
  return 0;
};

/** Words that may follow each chain of verbs: '' for the program itself, `config`, `join`. */
function wordsOf(program: Command): ReadonlyMap<string, readonly string[]> {
  const words = new Map<string, readonly string[]>();
  const visit = (command: Command, chain: string): void => {
    const flags = command.options.flatMap((o) =>
      [o.short, o.long].filter((f): f is string => f !== undefined && f !== null),
    );
    words.set(chain, [...command.commands.map((c) => c.name()), ...flags]);
    for (const child of command.commands) visit(child, `${chain} ${child.name()}`.trim());
  };
  visit(program, '');
  return words;
}

function bash(words: ReadonlyMap<string, readonly string[]>): string {
  const cases = [...words].map(([chain, list]) => `    '${chain}') words='${list.join(' ')}' ;;`);
  return `# bash completion for diyc-agent
_diyc_agent() {
  local chain='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in -*) ;; *) chain="\${chain:+$chain }$word" ;; esac
  done
  case $chain in
${cases.join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _diyc_agent diyc-agent
`;
}

function zsh(words: ReadonlyMap<string, readonly string[]>): string {
  return `#compdef diyc-agent\nautoload -U +X bashcompinit && bashcompinit\n${bash(words)}`;
}

function fish(words: ReadonlyMap<string, readonly string[]>): string {
  const lines = [...words].map(([chain, list]) => {
    const condition =
      chain === '' ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${chain.split(' ').at(-1) ?? ''}`;
    return `complete -c diyc-agent -n '${condition}' -a '${list.join(' ')}'`;
  });
  return `# fish completion for diyc-agent\n${lines.join('\n')}\n`;
}
