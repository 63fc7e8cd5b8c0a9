/** One line of Prometheus' text format. */
export type Sample = { name: string; labels: Readonly<Record<string, string>>; value: number };

/** All samples that an address shows now. */
export async function scrape(port: number | string): Promise<Sample[]> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  return parse(await response.text());
}

function parse(text: string): Sample[] {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => {
    const [, name = '', labels = '', value = ''] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === '') throw new Error(`not a sample: ${line}`);
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', text = '']) => [key, text] as const);
    return { name, labels: Object.fromEntries(pairs), value: Number(value) };
  });
}

/** Value of the one sample with this name and these labels; undefined when there is none. */
export function sampleOf(samples: readonly Sample[], name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
  const found = samples.filter((one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value));
  if (found.length > 1) throw new Error(`${found.length} samples of ${name} ${JSON.stringify(labels)}`);
  return found[0]?.value;
}

/** What stands for one series: its name and labels. */
export function seriesOf(samples: readonly Sample[]): Set<string> {
  return new Set(samples.map(({ name, labels }) => `${name}${JSON.stringify(Object.entries(labels).sort())}`));
}
