import { describe, expect, it } from 'vitest';
import { folderFaults } from './folder-sizes.ts';

const files = (folder: string, count: number) => Array.from({ length: count }, (_, index) => `${folder}/${index}.ts`);

describe('files side by side in a folder', () => {
  it('are at most 25, those of its own folders not counted; lists of migrations may be longer', () => {
    expect(folderFaults([...files('a', 25), ...files('a/b', 25), ...files('a/migrations', 40)])).toEqual([]);
    expect(folderFaults(files('a', 26))).toEqual(['a has 26 files, at most 25 may stand side by side: make a folder for a duty in it']);
  });
});
