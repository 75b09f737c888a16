/** A curve as SVG: size on a logarithmic axis, cost from 0. Small enough to be our own. */
import { short } from "../harness/numbers.ts";

export interface Chart {
  readonly title: string;
  readonly sizeName: string;
  readonly costName: string;
  readonly points: readonly ChartPoint[];
}

export interface ChartPoint {
  readonly size: number;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

const WIDTH = 560;
const HEIGHT = 280;
const LEFT = 70;
const RIGHT = 24;
const TOP = 44;
const BOTTOM = 48;

export function chartOf({ title, sizeName, costName, points }: Chart): string {
  const sizes = points.map((it) => Math.log10(it.size));
  const [low, high] = [Math.min(...sizes), Math.max(...sizes)];
  const most = niceAbove(Math.max(...points.map((it) => it.max)));
  const x = (size: number): number =>
    LEFT + ((Math.log10(size) - low) / (high - low || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (cost: number): number => HEIGHT - BOTTOM - (cost / most) * (HEIGHT - TOP - BOTTOM);

  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = y(most * share).toFixed(1);
    const line = `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}" stroke="#ddd"/>`;
    return line + text(LEFT - 8, Number(at) + 4, short(most * share), "end");
  });
  const marks = points.map((it) => {
    const at = x(it.size).toFixed(1);
    return (
      `<line x1="${at}" x2="${at}" y1="${y(it.min).toFixed(1)}" y2="${y(it.max).toFixed(1)}" stroke="#69c"/>` +
      `<circle cx="${at}" cy="${y(it.median).toFixed(1)}" r="4" fill="#247"/>` +
      text(Number(at), y(it.max) - 10, short(it.median), "middle") +
      text(Number(at), HEIGHT - BOTTOM + 18, it.size.toLocaleString("en"), "middle")
    );
  });
  const path = points.map((it) => `${x(it.size).toFixed(1)},${y(it.median).toFixed(1)}`).join(" ");
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="16" y="22" font-size="14" font-weight="bold">${escape(title)}</text>`,
    `<text x="${WIDTH - RIGHT}" y="22" text-anchor="end" fill="#555">${escape(costName)}</text>`,
    ...grid,
    `<polyline points="${path}" fill="none" stroke="#247" stroke-width="2"/>`,
    ...marks,
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, escape(sizeName), "middle"),
    "</svg>\n",
  ].join("\n");
}

function text(x: number, y: number, content: string, anchor: "end" | "middle"): string {
  const at = `x="${x.toFixed(1)}" y="${y.toFixed(1)}"`;
  return `<text ${at} text-anchor="${anchor}" fill="#333">${content}</text>`;
}

/** 1, 2 or 5 times a power of ten: an axis that people can read. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  return power * ([1, 2, 5, 10].find((it) => it * power >= value * 1.1) ?? 20);
}

function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
