// The proof that a host may reboot now: every question that was asked, its answer, and where the answer came from.

export const proofQuestions = [
  'NotHeld',
  'ReleaseAllowed',
  'WindowOpen',
  'SlotHeld',
  'Quorum',
  'NobodyRed',
  'ClockAgrees',
  'NobodyLoggedIn',
  'SnapshotFresh',
  'BootServerReachable',
  'StorageReachable',
  'FormatsAllow',
] as const;

export type ProofQuestion = (typeof proofQuestions)[number];

export interface ProofItem {
  readonly question: ProofQuestion;
  /** Unknown counts as no. */
  readonly answer: 'yes' | 'no' | 'unknown';
  /** What was seen, with the values involved. */
  readonly message: string;
  /** What the operator can do; only where the answer is not yes. */
  readonly hint?: string;
}

export interface Proof {
  readonly schema: 1;
  readonly node: string;
  readonly bootId: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly items: readonly ProofItem[];
}

/** What stands against it; empty when the host may reboot. */
export function objections(proof: Proof): ProofItem[] {
  return proof.items.filter((item) => item.answer !== 'yes');
}
