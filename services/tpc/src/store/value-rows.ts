/** The same row template `count` times, for VALUES of one INSERT. */
export function valueRows(template: string, count: number): string {
  return Array(count).fill(template).join(', ');
}
