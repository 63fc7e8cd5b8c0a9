import { AggregationTemporality, InstrumentType, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';

/** A provider of meters whose counts a test can look at. */
export class TestMeter extends MetricReader {
  readonly provider: MeterProvider;

  constructor() {
    // Gauges as they are now.
    super({
      aggregationTemporalitySelector: (type) =>
        type === InstrumentType.OBSERVABLE_GAUGE ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE,
    });
    this.provider = new MeterProvider({ readers: [this] });
  }

  protected override async onForceFlush(): Promise<void> {
    // Nothing waits.
  }

  protected override async onShutdown(): Promise<void> {
    // Nothing is open.
  }

  /** Value of a counter or gauge, or how often a histogram was recorded, with exactly these attributes; undefined when there is none. */
  async value(name: string, attributes: Readonly<Record<string, string>>): Promise<number | undefined> {
    const { resourceMetrics } = await this.collect();
    const metric = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics).find(({ descriptor }) => descriptor.name === name);
    const wanted = JSON.stringify(Object.entries(attributes).sort());
    const point = metric?.dataPoints.find((one) => JSON.stringify(Object.entries(one.attributes).sort()) === wanted);
    const value = point?.value;
    return typeof value === 'object' ? value.count : value;
  }

  /** Every value of every label. */
  async labels(): Promise<string[]> {
    const { resourceMetrics } = await this.collect();
    const points = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics.flatMap(({ dataPoints }) => dataPoints as { attributes: object }[]));
    return points.flatMap(({ attributes }) => Object.values(attributes).map(String));
  }
}
