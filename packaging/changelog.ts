// CHANGELOG.md as the %changelog of an RPM: one entry per version, with the day rpm wants to see in words.

export interface Build {
  readonly version: string;
  readonly release: string;
  /** seconds since 1970: the day of the version that is not released yet */
  readonly epoch: number;
}

interface Entry {
  readonly version: string;
  /** `2026-11-21`, or `unreleased` */
  readonly day: string;
  readonly paragraphs: readonly string[];
}

/**
 * @throws when a heading is not `## VERSION, YYYY-MM-DD` or `## VERSION, unreleased`, when the newest is not the version
 *   that is built, and when days are out of order, which rpmbuild refuses in words nobody connects with CHANGELOG.md
 */
export function rpmChangelog(markdown: string, build: Build): string {
  const entries = read(markdown);
  const newest = entries[0]?.version;
  if (newest !== build.version) {
    throw new Error(
      `CHANGELOG.md begins with ${newest ?? 'no version'} and package.json says ${build.version}: make them agree`,
    );
  }
  let later = Number.POSITIVE_INFINITY;
  return entries
    .map(({ version, day, paragraphs }, place) => {
      if (day === 'unreleased' && place > 0)
        throw new Error(`CHANGELOG.md: ${version} is unreleased below a later one`);
      const time = day === 'unreleased' ? build.epoch * 1000 : Date.parse(`${day}T12:00:00Z`);
      if (Number.isNaN(time) || (day !== 'unreleased' && dayOf(time) !== day)) {
        throw new Error(`CHANGELOG.md: ${version} has the day ${day}, which no calendar has`);
      }
      if (time > later) throw new Error(`CHANGELOG.md: ${version} of ${day} stands below an earlier day: newest first`);
      later = time;
      const release = place === 0 ? build.release : '1';
      // rpm wants a name; there is no person to blame for a build
      const head = `* ${inWords(time)} diyc-agent - ${version}-${release}\n`;
      return `${head}${paragraphs.map(wrapped).join('')}`;
    })
    .join('\n');
}

function read(markdown: string): readonly Entry[] {
  // what stands above the first version speaks of the file itself
  const [, ...sections] = markdown.split(/^## /m);
  return sections.map((section) => {
    const [heading = '', ...lines] = section.split('\n');
    const [, version, day] = /^(\d+\.\d+\.\d+), (unreleased|\d{4}-\d{2}-\d{2})$/.exec(heading) ?? [];
    if (version === undefined || day === undefined) {
      throw new Error(`CHANGELOG.md: '## ${heading}' should be '## VERSION, YYYY-MM-DD' or '## VERSION, unreleased'`);
    }
    const paragraphs: string[] = [];
    let isOpen = false;
    for (const line of lines) {
      const text = line.trim();
      const isItem = text.startsWith('- ');
      if (text === '') isOpen = false;
      else if (isOpen && !isItem) paragraphs.push(`${paragraphs.pop() ?? ''} ${text}`);
      else paragraphs.push(text.replace(/^#+ /, ''));
      if (text !== '') isOpen = true;
    }
    return { version, day, paragraphs };
  });
}

/** Lines of 78 characters; every % twice, because a changelog is part of the spec, where one begins a macro. */
function wrapped(paragraph: string): string {
  const text = paragraph.replace(/^- /, '').replaceAll('%', '%%');
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < 76) lines.push(`${lines.pop() ?? ''} ${word}`);
    else lines.push(word);
  }
  // indented, so that no line begins an entry or a section
  return lines.map((line, place) => `${place === 0 ? '-' : ' '} ${line}\n`).join('');
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

function inWords(time: number): string {
  // `Sat, 21 Nov 2026 12:00:00 GMT`: this form of a date is the same in every locale (ECMA-262, Date.prototype.toUTCString)
  const [weekday = '', day = '', month = '', year = ''] = new Date(time).toUTCString().replace(',', '').split(' ');
  return `${weekday} ${month} ${day} ${year}`;
}
