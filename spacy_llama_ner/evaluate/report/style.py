"""What the look of reports has beyond that of all pages."""

from __future__ import annotations

CSS = """
:root {
  --train: #b3762b; --dev: #2f6fb0; --one: #7d5ba6; --two: #2c8a7b; --fill: #6f9bc6; --line-s: 60%; --line-l: 42%;
  --good: 211 60% 50%; --fault: 6 62% 50%;
  --k-boundary: #d9a441; --k-type: #a06cb8; --k-both: #7a5a48; --k-missed: #c2372e;
  --k-spurious: #e58f7b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --train: #dca766; --dev: #7fb3e6; --one: #b89bdc; --two: #6cc3b4; --fill: #4f7ba6; --line-s: 60%; --line-l: 68%;
    --k-boundary: #d6a94f; --k-type: #b98acd; --k-both: #a58673; --k-missed: #ea6a5f;
    --k-spurious: #f2ab9b;
  }
}
html { scroll-behavior: smooth; }
nav { display: flex; flex-wrap: wrap; gap: .35rem 1.25rem; margin: 1.5rem 0 0; font-size: .875rem; }
nav a { color: var(--dev); text-decoration: none; border-bottom: 1px solid var(--line); }
nav a:hover { border-bottom-color: currentColor; }
main > section { scroll-margin-top: 1rem; }
main > section > .note { margin: 0 0 1rem; }
main > section > div + .note { margin-top: 1rem; }
main > section > h3 { margin: 1.5rem 0 .5rem; }
.wide {
  overflow-x: auto; max-width: 100%;
  background:
    linear-gradient(90deg, var(--paper) 40%, transparent) 0 0 / 2.5rem 100% no-repeat local,
    linear-gradient(270deg, var(--paper) 40%, transparent) 100% 0 / 2.5rem 100% no-repeat local,
    linear-gradient(90deg, var(--line), transparent) 0 0 / .75rem 100% no-repeat scroll,
    linear-gradient(270deg, var(--line), transparent) 100% 0 / .75rem 100% no-repeat scroll;
}
td, tbody th { white-space: nowrap; }
.none { color: var(--muted); opacity: .6; }
.charts {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(21rem, 100%), 1fr)); gap: 1.75rem 2.25rem;
}
figure { margin: 0; min-width: 0; max-width: 30rem; }
figcaption { font-size: .875rem; font-weight: 600; margin: 0 0 .25rem; overflow-wrap: anywhere; }
.chart { display: block; width: 100%; height: auto; }
.chart text { font-size: 11px; fill: var(--muted); font-variant-numeric: tabular-nums; }
.chart text.x { text-anchor: middle; }
.chart text.y { text-anchor: end; }
.chart text.count { font-size: 10px; }
.grid { stroke: var(--line); fill: none; }
.line {
  stroke: var(--c); fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round;
  stroke-dasharray: var(--dash);
}
.hint { fill: transparent; }
.hint:hover { fill: var(--c); fill-opacity: .35; }
.ring { fill: none; stroke: var(--ink); stroke-width: 1.5; }
.ideal { stroke: var(--muted); fill: none; stroke-dasharray: 4 4; }
.dot { fill: var(--ink); }
.fill { fill: var(--fill); }
.keys { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: .2rem 0 0; padding: 0; font-size: .8rem; }
.keys li { display: flex; align-items: center; gap: .4rem; }
.keys svg { width: 26px; height: 12px; }
.swatch { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-inline-end: .4em; }
.bar { display: inline-block; width: 9rem; height: .7rem; vertical-align: baseline; border-radius: 2px; }
.counts td { min-width: 11rem; }
.counts td span { display: flex; gap: .6rem; align-items: center; justify-content: space-between; }
.counts .bar { width: 5.5rem; }
.matrix td { text-align: center; padding: 0; min-width: 4.5rem; }
.matrix tbody th { padding-right: .9rem; }
.matrix td span { display: block; padding: .35rem .9rem; }
.matrix th:not(:first-child) { text-align: center; padding: .3rem .6rem; }
.matrix .right { background: hsl(var(--good) / calc(var(--share) * .4)); }
.matrix .wrong { background: hsl(var(--fault) / calc(var(--share) * .55)); }
.kinds thead th { vertical-align: bottom; }
.k-boundary { fill: var(--k-boundary); background: var(--k-boundary); }
.k-type { fill: var(--k-type); background: var(--k-type); }
.k-both { fill: var(--k-both); background: var(--k-both); }
.k-missed { fill: var(--k-missed); background: var(--k-missed); }
.k-spurious { fill: var(--k-spurious); background: var(--k-spurious); }
.reliability {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1.5rem 3rem;
}
.reliability .figures { grid-column: 1 / -1; }
.stacked .pair { grid-template-columns: 1fr; }
@media (max-width: 46rem) {
  th, td { padding-left: .7rem; }
  .matrix td { min-width: 3rem; }
  .matrix td span { padding: .35rem .4rem; }
  .counts td { min-width: 0; }
  .counts .bar { width: 1.6rem; }
  .kinds .bar { width: 6rem; }
}
"""
