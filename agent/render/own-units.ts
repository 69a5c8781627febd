// The units the agent brings where only the program is there; the texts are those of units/, with the places filled in.

import etcdUnit from '../../units/etcd.service' with { type: 'text' };
import flanneldUnit from '../../units/flanneld.service' with { type: 'text' };
import type { AbsolutePath } from '../model/paths.ts';
import { header } from './marker.ts';

export function renderEtcdUnit(program: AbsolutePath, environmentFile: AbsolutePath, user: string): string {
  return (
    header('etcd, where its package brings no unit') +
    fill(etcdUnit, { ETCD: program, ENV: environmentFile, USER: user })
  );
}

export function renderFlannelUnit(program: AbsolutePath, environmentFile: AbsolutePath): string {
  return (
    header('flanneld, where its package brings no unit') +
    fill(flanneldUnit, { FLANNELD: program, ENV: environmentFile })
  );
}

/** The template's own first line is about this source, not about the host. */
function fill(text: string, places: Readonly<Record<string, string>>): string {
  return text.replace(/^# A template:.*\n+/, '').replace(/@([A-Z]+)@/g, (whole, name: string) => places[name] ?? whole);
}
