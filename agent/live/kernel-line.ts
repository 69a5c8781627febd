// What the kernel line asks of dracut's live modules, by its names of then and now (dracut.cmdline(7)).

export interface LiveRequest {
  /** `root=live:…` or `rd.live.image`: the word itself, for people; null when the line asks for no live root. */
  readonly word: string | null;
  readonly wantsThin: boolean;
  /** The whole image unpacked into memory, writable in itself. */
  readonly wantsWritableImage: boolean;
  /** A device is to keep what is written. It may still not have been found. */
  readonly wantsPersistence: boolean;
}

/** Where the overlay is; since dracut-ng 110 rd.overlay, of which overlayroot is an alias for live images. */
const overlayNames = ['rd.live.overlay', 'rd.overlay', 'overlayroot'] as const;
const deviceSpec = /(?:^|[,=:])(?:(?:LABEL|UUID|PARTLABEL|PARTUUID)=|\/dev\/)/;

/** Read the line; of a name that is given twice the last counts, as for dracut's getarg. */
export function readLiveRequest(line: string): LiveRequest {
  const words = kernelWords(line);
  const last = (name: string): string | null => {
    const found = words.findLast((word) => word === name || word.startsWith(`${name}=`));
    return found === undefined ? null : found.slice(name.length + 1);
  };
  const isOn = (name: string): boolean => !['0', 'no', 'off', null].includes(last(name));
  const root = last('root');
  // root=http://… is an alias of root=live:http://… (livenet).
  const isLiveRoot = root !== null && /^(?:live|liveiso|https?):/.test(root);
  const readOnly = isOn('rd.live.overlay.readonly') || isOn('rd.overlay.readonly');
  return {
    word: isLiveRoot ? `root=${root}` : isOn('rd.live.image') ? 'rd.live.image' : null,
    wantsThin: isOn('rd.live.overlay.thin'),
    wantsWritableImage: isOn('rd.writable.fsimg'),
    wantsPersistence: !readOnly && overlayNames.some((name) => deviceSpec.test(last(name) ?? '')),
  };
}

/** Whitespace separates, double quotes group, there are no escapes, and what follows `--` is for init (lib/cmdline.c). */
function kernelWords(line: string): string[] {
  const words = (line.match(/(?:"[^"]*"?|[^\s"\0])+/g) ?? []).map((word) => word.replaceAll('"', ''));
  const end = words.indexOf('--');
  return end === -1 ? words : words.slice(0, end);
}
