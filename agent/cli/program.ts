// The command line: global options, the list of verbs, and how a verb's end becomes an exit code.

import { Argument, Command, CommanderError } from 'commander';
import { AgentError, exitCodes } from '../model/errors.ts';
import type { Action, CommandContext, GlobalOptions, Verb } from './command.ts';
import { verbs } from './verbs.ts';

export interface ProgramPorts {
  readonly version: string;
  readonly isTerminal: boolean;
  /** NO_COLOR is set in the environment (no-color.org). */
  readonly noColor: boolean;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Makes the context of the chosen verb; called once, after the options are known. */
  readonly context: (options: GlobalOptions, verb: string) => Promise<CommandContext>;
}

/**
 * Parse the arguments and run the chosen verb.
 *
 * @param argv without the program's own name
 * @returns the exit code
 * @throws what the verb throws; `usage` for a command line that is wrong
 */
export async function runProgram(argv: readonly string[], ports: ProgramPorts): Promise<number> {
  let exitCode = 0;
  const program = new Command('diyc-agent')
    .description('Turns a freshly booted host into a working member of a small container cluster, and keeps it one.')
    .version(ports.version, '-V, --version', 'print the version and exit')
    .option('--root <dir>', 'work on the tree below DIR instead of the running host', '/')
    .option('--config <file>', 'read this cluster file and no other')
    .option('--json', 'answer as JSON, one document, versioned', false)
    .option('-q, --quiet', 'say nothing but warnings and errors', false)
    .option('-v, --verbose', 'say everything', false)
    .option('--no-color', 'no colours (NO_COLOR is respected too)')
    .helpOption('-h, --help', 'show help')
    .addHelpText(
      'after',
      '\nExit codes: 0 done; status: 1 failed, 2 degraded, 3 waiting; plan: 2 changes pending;\n64 usage, 65 meta-data, 69 unavailable, 70 bug, 71 system, 75 try later, 77 not permitted, 78 cluster file.\nSee diyc-agent(8).',
    )
    .showSuggestionAfterError(true)
    // What follows a verb is the verb's own: `reboot` and `reboot release` both have --reason.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeOut: ports.out, writeErr: () => undefined });

  const chosen = async (load: () => Promise<Action>, command: Command): Promise<void> => {
    const context = await ports.context(globalOptions(program, ports), chain(command, program));
    exitCode = await (await load())(context, command.opts(), command.args, program);
  };
  const isAsked = askedFor(argv);
  for (const verb of verbs) declare(program, verb, chosen, isAsked);
  configureAll(program, isAsked);

  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    if (error.code === 'commander.help') {
      // No verb was given, or half of one: the list of verbs is the answer, on standard error.
      ports.err(commandOf(program, argv).helpInformation());
      return exitCodes.usage;
    }
    throw new AgentError('usage', error.message.replace(/^error: /, ''), {
      hint: 'diyc-agent --help lists verbs and options',
    });
  }
  return exitCode;
}

/**
 * Which verbs have to be known with all their options: those whose names are given. Half of the time of `--version` would
 * go into options of verbs that nobody asked for. Help and completion are about all of them.
 */
function askedFor(argv: readonly string[]): (name: string) => boolean {
  const isAboutNone = argv.length === 1 && (argv[0] === '-V' || argv[0] === '--version');
  const isAboutAll =
    ['-h', '--help', 'help', 'completion'].some((word) => argv.includes(word)) ||
    (!isAboutNone && !verbs.some((verb) => argv.includes(verb.name)));
  return (name) => isAboutAll || argv.includes(name);
}

/** Put a verb, and what it groups, on the program; of one that is not asked for its name, which spelling is compared with. */
function declare(
  parent: Command,
  verb: Verb,
  chosen: (load: () => Promise<Action>, command: Command) => Promise<void>,
  isAsked: (name: string) => boolean,
): void {
  const command = parent.command(verb.name).summary(verb.summary);
  command.description(verb.description ?? verb.summary);
  if (!isAsked(verb.name)) return;
  for (const { flags, about, preset } of verb.options ?? []) command.option(flags, about, preset);
  if (verb.argument !== undefined) {
    const { name, about, choices, optional } = verb.argument;
    const argument = new Argument(optional === true ? `[${name}]` : `<${name}>`, about);
    command.addArgument(choices === undefined ? argument : argument.choices(choices));
  }
  if (verb.verbs !== undefined) command.enablePositionalOptions();
  for (const inner of verb.verbs ?? []) declare(command, inner, chosen, isAsked);
  const { load } = verb;
  if (load !== undefined) command.action(() => chosen(load, command));
}

/** The command that the arguments lead to, as far as they name one. */
function commandOf(program: Command, argv: readonly string[]): Command {
  let command = program;
  for (const word of argv) command = command.commands.find((c) => c.name() === word) ?? command;
  return command;
}

/** Global options are understood before and after the verb. */
function configureAll(program: Command, isAsked: (name: string) => boolean): void {
  const visit = (command: Command): void => {
    command.exitOverride().configureOutput({
      writeOut: program.configureOutput().writeOut ?? (() => undefined),
      writeErr: () => undefined,
    });
    for (const child of command.commands.filter((c) => isAsked(c.name()))) {
      for (const option of program.options.filter((o) => o.long !== '--version')) child.addOption(option);
      visit(child);
    }
  };
  visit(program);
}

function globalOptions(program: Command, ports: ProgramPorts): GlobalOptions {
  const given = merged(program);
  const configFile = given['config'];
  return {
    root: String(given['root'] ?? '/'),
    ...(typeof configFile === 'string' ? { config: configFile } : {}),
    json: given['json'] === true,
    quiet: given['quiet'] === true,
    verbose: given['verbose'] === true,
    color: given['color'] !== false && !ports.noColor && ports.isTerminal,
  };
}

/** Options given on the program and on the chosen verb; what was really given wins over a default. */
function merged(program: Command): Record<string, unknown> {
  const values: Record<string, unknown> = { ...program.opts() };
  const visit = (command: Command): void => {
    for (const child of command.commands) {
      for (const key of Object.keys(child.opts())) {
        if (child.getOptionValueSource(key) === 'cli') values[key] = child.opts()[key];
      }
      visit(child);
    }
  };
  visit(program);
  return values;
}

function chain(command: Command, program: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at !== null && at !== program; at = at.parent) names.unshift(at.name());
  return names.join(' ');
}
