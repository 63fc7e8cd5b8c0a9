// Narrows the list that `npm sbom` makes of the whole package-lock.json to the packages in the image: those in the folders that `npm ls --parseable` names.
//   node list-packages.mjs <folders> <list>
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [foldersFile, listFile] = process.argv.slice(2);
const [root, ...folders] = readFileSync(foldersFile, 'utf8').split('\n').filter(Boolean);
const idOf = (folder) => {
  const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return `${name}@${version}`;
};
const wanted = new Set(folders.map(idOf));
const list = JSON.parse(readFileSync(listFile, 'utf8'));
list.components = list.components.filter((component) => wanted.has(component['bom-ref']));
const listed = new Set(list.components.map((component) => component['bom-ref']));
const unlisted = [...wanted].filter((id) => !listed.has(id));
if (unlisted.length > 0) throw new Error(`npm sbom does not know ${unlisted.join(', ')}`);
listed.add(idOf(root));
list.dependencies = list.dependencies
  .filter(({ ref }) => listed.has(ref))
  .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((other) => listed.has(other)) }));
writeFileSync(listFile, JSON.stringify(list, undefined, 2));
