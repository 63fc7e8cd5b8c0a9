/** How many files stand side by side in a folder. A hall of fifty files hides the flow that a few rooms would show. */

const MOST_FILES = 25;

/** Numbered lists that only grow: nobody looks for a file in them. */
const LISTS = /(^|\/)migrations$/;

/** Halls that were there before the limit, with what each should become. They may only shrink: whoever moves a file out lowers the number. */
const HALLS: Readonly<Record<string, number>> = {
  // Rooms by duty: producers, publishing, consumers, operators.
  'services/tpc/src/store': 53,
  // Rooms by duty: receive, handle, report, inbox, observe.
  'packages/client/src/consumer': 48,
  // Rooms by duty: transaction, delivery, check-back, outbox.
  'packages/client/src/producer': 37,
};

/**
 * @param files paths from the root, with `/`
 * @returns what is wrong, one line a folder
 */
export function folderFaults(files: readonly string[], halls: Readonly<Record<string, number>> = HALLS): string[] {
  const counts = new Map<string, number>();
  for (const file of files) {
    const folder = file.slice(0, Math.max(0, file.lastIndexOf('/')));
    if (!LISTS.test(folder)) counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  const folders = new Set([...counts.keys(), ...Object.keys(halls)]);
  return [...folders].toSorted().flatMap((folder) => faultOf(folder, counts.get(folder) ?? 0, halls[folder]) ?? []);
}

function faultOf(folder: string, count: number, hall: number | undefined): string | undefined {
  const most = hall ?? MOST_FILES;
  if (count > most) return `${folder} has ${count} files, at most ${most} may stand side by side: make a folder for a duty in it`;
  if (hall === undefined || count === hall) return undefined;
  const left = count <= MOST_FILES ? 'take it off the list' : `lower its number from ${hall}`;
  return `${folder} has shrunk to ${count} files: ${left} in scripts/lib/folder-sizes.ts`;
}
