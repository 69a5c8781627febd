// Where a host came from, as its kernel line tells: what does not answer now may not answer at the next boot either.

/**
 * Web addresses of the root file system (`root=live:URL`, `coreos.live.rootfs_url=URL`) and of the NoCloud seed
 * (`ds=nocloud-net;seedfrom=URL`, `ds=nocloud;s=URL`). An installed host has none.
 */
export function bootUrlsOf(kernelLine: string): string[] {
  const words = kernelLine
    .trim()
    .split(/\s+/)
    .map((word) => word.replaceAll('"', ''));
  const found = words.flatMap((word) => {
    const [key = '', value = ''] = splitOnce(word, '=');
    if (key === 'root' && value.startsWith('live:')) return [value.slice('live:'.length)];
    if (key === 'coreos.live.rootfs_url') return [value];
    if (key !== 'ds') return [];
    return value
      .split(';')
      .map((part) => splitOnce(part, '='))
      .filter(([name]) => name === 's' || name === 'seedfrom')
      .map(([, url = '']) => url);
  });
  return [...new Set(found.filter((url) => /^https?:\/\/[^/]/.test(url)))];
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}
