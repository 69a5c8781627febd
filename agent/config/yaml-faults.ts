// The faults of the YAML parser in the operator's words; the parser's own messages quote the text and may hold secrets.

import type { ErrorCode } from 'yaml';

export interface YamlFault {
  readonly rule: string;
  readonly message: string;
  readonly remedy: string;
}

const syntax = 'yaml-syntax';

const faults: Readonly<Partial<Record<ErrorCode, YamlFault>>> = {
  ALIAS_PROPS: {
    rule: syntax,
    message: 'an alias carries an anchor or a tag of its own',
    remedy: 'remove the anchor or tag before the alias',
  },
  BAD_ALIAS: {
    rule: 'alias',
    message: 'this alias has no name that YAML knows',
    remedy: 'write the value out, or quote it when the * belongs to it',
  },
  BAD_DIRECTIVE: {
    rule: 'yaml-version',
    message: 'this % line is no directive that the agent knows',
    remedy: 'remove the line',
  },
  BAD_DQ_ESCAPE: {
    rule: syntax,
    message: 'an unknown \\ escape stands in a double-quoted text',
    remedy: 'use single quotes, or write \\\\ for one backslash',
  },
  BAD_INDENT: {
    rule: syntax,
    message: 'this line is not indented as its block asks',
    remedy: 'give all keys of one mapping the same number of leading spaces, and close every bracket and quote',
  },
  BAD_SCALAR_START: {
    rule: syntax,
    message: 'a plain text cannot start with this character',
    remedy: 'put the text in quotes',
  },
  BLOCK_AS_IMPLICIT_KEY: {
    rule: syntax,
    message: 'a nested mapping stands on the line of another key',
    remedy: 'put the nested key on the next line and indent it, or quote a text that contains ": "',
  },
  BLOCK_IN_FLOW: {
    rule: syntax,
    message: 'an indented block stands within brackets',
    remedy: 'close the bracket first, or write the inner value in brackets too',
  },
  KEY_OVER_1024_CHARS: {
    rule: syntax,
    message: 'a key is longer than 1024 characters',
    remedy: 'look for a missing line break or quote before this place',
  },
  MISSING_CHAR: {
    rule: syntax,
    message: 'a character is missing here: a quote, a bracket, a comma, or the space after ":"',
    remedy: 'close what was opened before this place, and put a space after each ":"',
  },
  MULTILINE_IMPLICIT_KEY: {
    rule: syntax,
    message: 'a key goes on over several lines',
    remedy: 'put a ":" after the key, and close every bracket and quote before it',
  },
  MULTIPLE_ANCHORS: { rule: syntax, message: 'a value has two anchors', remedy: 'keep one of them' },
  MULTIPLE_DOCS: {
    rule: 'multiple-documents',
    message: 'a second document begins here; a cluster file is one document',
    remedy: 'remove the "---" line and merge both parts, or put the second part in a file below cluster.d',
  },
  MULTIPLE_TAGS: {
    rule: syntax,
    message: 'a value has two tags',
    remedy: 'remove both: the cluster file needs no tags',
  },
  RESOURCE_EXHAUSTION: {
    rule: 'too-deep',
    message: 'values are nested too deeply to be read',
    remedy: 'remove the brackets or indentation that open so many levels',
  },
  TAB_AS_INDENT: { rule: 'tab', message: 'a tab is used as indentation', remedy: 'indent with spaces' },
  TAG_RESOLVE_FAILED: {
    rule: 'unknown-tag',
    message: 'this tag (a word that starts with "!") is not known here',
    remedy: 'remove the tag, or quote the text when the ! belongs to it',
  },
  UNEXPECTED_TOKEN: {
    rule: syntax,
    message: 'this text does not fit here',
    remedy: 'check indentation, brackets and quotes of this line and the one before',
  },
};

/** What to say about a fault of the parser; no part of the text is quoted. */
export function yamlFault(code: ErrorCode): YamlFault {
  return (
    faults[code] ?? {
      rule: syntax,
      message: 'the YAML is malformed here',
      remedy: 'check indentation, brackets and quotes of this line and the one before',
    }
  );
}

/** True for faults that leave a whole tree behind, so that its values can be checked too. */
export function isHarmless(code: ErrorCode): boolean {
  return code === 'TAG_RESOLVE_FAILED' || code === 'BAD_DIRECTIVE';
}
