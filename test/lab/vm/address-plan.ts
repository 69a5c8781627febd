/** Who has which address on the machines' switch; other than the nspawn lab's, so that both can be up at once. */

import { type LabNames, labNames } from '../lab-id.ts';

const PREFIX = '192.168.98';

/** The switch itself: DHCP, boot server, and the place the lab looks on from. */
export const SWITCH_ADDRESS = `${PREFIX}.254`;
/** The storage has an address of its own, so that it can go away alone. */
export const STORAGE_ADDRESS = `${PREFIX}.253`;
export const NETMASK = '255.255.255.0';
export const NETWORK = `${PREFIX}.0`;

export interface Seat {
  readonly name: string;
  readonly address: string;
  readonly mac: string;
}

/** The machines a lab can have; DHCP knows them by their MAC, as a site's does. */
export const SEATS: readonly Seat[] = [1, 2, 3, 4].map((number) => ({
  name: `a${number}`,
  address: `${PREFIX}.${50 + number}`,
  mac: `52:54:00:98:00:0${number}`,
}));

export function seatOf(name: string): Seat {
  const seat = SEATS.find((one) => one.name === name);
  if (seat === undefined) throw new Error(`no machine ${name}: one of ${SEATS.map((one) => one.name).join(', ')}`);
  return seat;
}

/** The names of a machine lab: apart from those of an nspawn lab of the same id. */
export function machineLabNames(id: string): LabNames {
  if (!/^[a-z0-9]{1,6}$/.test(id)) throw new Error(`lab id ${JSON.stringify(id)}: 1 to 6 characters of a-z and 0-9`);
  return labNames(`vm${id}`);
}
