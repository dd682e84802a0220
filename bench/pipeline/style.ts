/** The report's style sheet. Colours are those of Okabe and Ito, told apart by colour-blind readers, per scheme. */
import { Markup } from './html.ts';

export const STYLE = new Markup(`
:root { --text: #1b1f24; --soft: #57606a; --page: #ffffff; --card: #f4f6f8; --rule: #d5dae0;
  --s0: #0072b2; --s1: #c04f00; --s2: #007a5a; --s3: #8a4a78; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e7ebef; --soft: #a3adb8; --page: #14171a; --card: #1e2328; --rule: #3a424a;
    --s0: #56b4e9; --s1: #e69f00; --s2: #2fc79a; --s3: #e39ac6; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif;
  overflow-wrap: break-word; }
main { max-width: 1120px; margin: 0 auto; padding: 16px; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 8px 0; }
h2 { font-size: 1.2rem; line-height: 1.3; margin: 40px 0 4px; }
p { margin: 4px 0 12px; max-width: 46rem; }
.lead { color: var(--soft); }
code { font-family: ui-monospace, monospace; font-size: 0.9em; }
.headlines { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 16px 0; }
.headlines div { background: var(--card); border-radius: 8px; padding: 10px 14px; }
.headlines b { display: block; font-size: 1.6rem; line-height: 1.3; }
.headlines span { color: var(--soft); font-size: 0.85rem; line-height: 1.35; display: block; }
.facts { margin: 16px 0; font-size: 0.9rem; }
.facts div { display: grid; grid-template-columns: 7rem 1fr; gap: 8px; padding: 3px 0; border-top: 1px solid var(--rule); }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.bad { border: 2px solid #c0392b; border-radius: 8px; padding: 0 14px; }
.bad h2 { margin-top: 12px; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 8px; padding: 0; font-size: 0.9rem; }
.legend li { display: flex; align-items: center; gap: 8px; }
.legend svg { width: 34px; height: 12px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 310px), 1fr)); gap: 12px; }
figure { margin: 0; background: var(--card); border-radius: 8px; padding: 8px; min-width: 0; }
figure svg { display: block; width: 100%; max-width: 520px; height: auto; margin: 0 auto; }
svg text { fill: var(--text); font: 11px system-ui, sans-serif; }
svg .y-label, svg .x-label { fill: var(--soft); font-size: 12px; }
svg .x-label, svg .x-tick { text-anchor: middle; }
svg .y-tick { text-anchor: end; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .line { fill: none; stroke-width: 2; }
svg .whisker { stroke-width: 1.5; opacity: 0.7; }
.s0 .line, .s0 .whisker { stroke: var(--s0); } .s0 .marker { fill: var(--s0); }
.s1 .line, .s1 .whisker { stroke: var(--s1); } .s1 .marker { fill: var(--s1); }
.s2 .line, .s2 .whisker { stroke: var(--s2); } .s2 .marker { fill: var(--s2); }
.s3 .line, .s3 .whisker { stroke: var(--s3); } .s3 .marker { fill: var(--s3); }
.s1 .line { stroke-dasharray: 7 4; } .s2 .line { stroke-dasharray: 2 3; } .s3 .line { stroke-dasharray: 10 3 2 3; }
details { margin: 8px 0; }
summary { cursor: pointer; color: var(--soft); padding: 6px 0; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.82rem; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 10px; text-align: right; white-space: nowrap; border-top: 1px solid var(--rule); }
thead th { border-top: 0; color: var(--soft); font-weight: 500; white-space: normal; vertical-align: bottom; }
th[scope=row], thead th:first-child { text-align: left; font-weight: 500; }
tbody + tbody tr:first-child > * { border-top-width: 2px; }
#reading li { max-width: 46rem; margin: 4px 0; }
@media print { details > * { display: block; } }
`);
