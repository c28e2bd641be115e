export const SINK: string;
export const recordings: { n: number; name: string; events: unknown[] }[];
export function page(body: object[], head?: object[], options?: { quirks?: boolean; id?: number }): unknown[];
