/** How many files stand side by side in a folder. A hall of fifty files hides the flow that a few rooms would show. */

const MOST_FILES = 25;

/** Numbered lists that only grow: nobody looks for a file in them. */
const LISTS = /(^|\/)migrations$/;

/**
 * @param files paths from the root, with `/`
 * @returns what is wrong, one line a folder
 */
export function folderFaults(files: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const file of files) {
    const folder = file.slice(0, Math.max(0, file.lastIndexOf('/')));
    if (!LISTS.test(folder)) counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts]
    .filter(([, count]) => count > MOST_FILES)
    .map(([folder, count]) => `${folder} has ${count} files, at most ${MOST_FILES} may stand side by side: make a folder for a duty in it`)
    .toSorted();
}
