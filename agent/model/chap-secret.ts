// What a CHAP secret must be so that the initiator, the record file and the target all mean the same bytes.

/** Shorter ones are refused by RFC 7143 (9.2.1) on connections without IPsec: 96 bits at least. */
const minBytes = 12;
/** Many arrays and the initiators of other systems end here (§5.3 of the domain facts). */
const commonMaxBytes = 16;
/** iscsid cuts off what is longer, without a word (measured with 2.1.8: 256 bytes become 255). */
const maxBytes = 255;

/** A finding about a secret; no text in it contains a part of the secret. */
export interface ChapSecretFinding {
  readonly severity: 'error' | 'warning';
  /** One stable kebab-case word. */
  readonly rule: string;
  /** What is wrong, one sentence. */
  readonly message: string;
  readonly remedy: string;
}

/** The secret that a file holds: its text without the one line end that editors and `echo` leave. */
export function chapSecretOf(fileText: string): string {
  return fileText.replace(/\r?\n$/, '');
}

/**
 * Every rule that the secret breaks; empty when it is good.
 *
 * Errors are what cannot work: open-iscsi reads its record line by line as `key = value`, takes blanks off both ends
 * (measured), and takes everything between them literally, `#` and quotes included. Warnings are what some targets
 * cannot do: targetcli cuts a secret at `& ! # $ ^ *` (ceph/ceph-iscsi-cli#2), scstadmin stumbles over `#` and blanks
 * (truenas/middleware#16593). Characters are never named, since that would tell a part of the secret.
 *
 * @param secret without the line end of its file, see `chapSecretOf`
 */
export function checkChapSecret(secret: string): readonly ChapSecretFinding[] {
  const findings: ChapSecretFinding[] = [];
  const add = (severity: ChapSecretFinding['severity'], rule: string, message: string, remedy: string): void => {
    findings.push({ severity, rule, message, remedy });
  };
  if (secret === '') {
    add(
      'error',
      'chap-secret-empty',
      'the file holds no secret',
      'put the secret that the target has for this user into it',
    );
    return findings;
  }
  const isAscii = /^\p{ASCII}*$/u.test(secret);
  // Counting code units would do for ASCII; others are refused anyway.
  const bytes = isAscii ? secret.length : utf8Length(secret);
  if (bytes < minBytes) {
    add(
      'error',
      'chap-secret-short',
      `the secret has ${bytes} bytes, and CHAP needs ${minBytes} at least (RFC 7143, 9.2.1)`,
      `choose a secret of ${minBytes} to ${commonMaxBytes} letters and digits and give it to the target too`,
    );
  } else if (bytes > maxBytes) {
    add(
      'error',
      'chap-secret-long',
      `the secret has ${bytes} bytes, and iscsid cuts it off after ${maxBytes}`,
      `choose a secret of ${minBytes} to ${commonMaxBytes} letters and digits and give it to the target too`,
    );
  } else if (bytes > commonMaxBytes) {
    add(
      'warning',
      'chap-secret-over-16',
      `the secret has ${bytes} bytes, and many targets take ${commonMaxBytes} at most or use only so many`,
      `see that the target takes ${bytes} bytes, or choose one of ${minBytes} to ${commonMaxBytes}`,
    );
  }
  if (/\p{Cc}/u.test(secret)) {
    add(
      'error',
      'chap-secret-control',
      'the secret contains a line break, a tab or another control character',
      'see with `od -c` that the file holds the secret on one line and nothing else',
    );
  } else if (/^\s|\s$/u.test(secret)) {
    add(
      'error',
      'chap-secret-blank-end',
      'the secret begins or ends with a blank, which iscsid drops when it reads its record',
      'take the blank away, or choose another secret',
    );
  }
  if (!isAscii) {
    add(
      'error',
      'chap-secret-not-ascii',
      'the secret contains a character that is not ASCII, whose bytes depend on who encodes it',
      'choose a secret of letters and digits and give it to the target too',
    );
  } else if (/[^A-Za-z0-9@%_+./:=-]/.test(secret.trim())) {
    add(
      'warning',
      'chap-secret-special',
      'the secret contains a character besides letters, digits and @ % _ + . / : = -, and some targets cut it off there',
      'when the login is refused, choose a secret of letters and digits',
    );
  }
  return findings;
}

/**
 * The rule between the two directions.
 *
 * @param chap by which the initiator proves itself
 * @param mutualChap by which the target does
 */
export function checkMutualSecret(chap: string, mutualChap: string): readonly ChapSecretFinding[] {
  if (chap !== mutualChap) return [];
  return [
    {
      severity: 'error',
      rule: 'chap-secret-reused',
      message: 'both directions of CHAP have the same secret: whoever is asked could answer with what it was asked',
      remedy: 'give each direction a secret of its own (RFC 7143, 9.2.1)',
    },
  ];
}

function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
