// Whether a text is cloud-config user-data: only there can the cluster file stand as the key `diyc`.

/** The key of cloud-config user-data that holds the cluster file. */
export const userDataKey = 'diyc';

/**
 * True for cloud-config, also below a jinja header and as cloud-init's merged cloud-config.txt. Scripts, MIME archives,
 * `#include`, `#cloud-config-archive` and compressed data are something else.
 *
 * @see cloud-init's cloudinit/handlers/__init__.py: leading white space is ignored, letters count in either case
 */
export function isCloudConfig(text: string): boolean {
  return /^#cloud-config(?![\w-])/i.test(withoutTemplateHeader(text));
}

/** True when cloud-init renders the text as a template before it reads it. */
export function isTemplate(text: string): boolean {
  return withoutTemplateHeader(text) !== text.trimStart();
}

function withoutTemplateHeader(text: string): string {
  return text.trimStart().replace(/^##\s*template:[^\n]*\n\s*/i, '');
}

/** True when the key may stand somewhere; most user-data has not even the word, and is not parsed at all. */
export function mentionsKey(text: string): boolean {
  return /\bdiyc["']?[ \t]*:/.test(text);
}

/** True when a line begins with the key; without one, faults of the YAML are cloud-init's to report, not ours. */
export function hasKeyLine(text: string): boolean {
  return /^["']?diyc["']?[ \t]*:/m.test(text);
}
