"""The look of the page that `page.py` makes."""

from __future__ import annotations

# hsl() with a hue per label: one rule each for light and dark serves any number of labels
CSS = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #fff; --ink: #24292f; --muted: #656d76; --line: #e3e1dc; --bad: #c2372e;
  --chip-s: 75%; --chip-l: 90%; --tag-s: 55%; --tag-l: 27%;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181b; --card: #1e2125; --ink: #dfe2e6; --muted: #98a0a9; --line: #33373d; --bad: #f28379;
    --chip-s: 32%; --chip-l: 26%; --tag-s: 65%; --tag-l: 80%;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem 1.5rem 5rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
h1 { font-size: 1.6rem; font-weight: 650; margin: 0; }
h2 { font-size: 1.1rem; font-weight: 650; margin: 3rem 0 1rem; }
h3 { font-size: .85rem; font-weight: 600; margin: 0; color: var(--muted); }
h4 { font-size: .72rem; font-weight: 600; margin: 0; color: var(--muted); letter-spacing: .04em; }
.source { color: var(--muted); margin: .25rem 0 0; overflow-wrap: anywhere; }
.summary { display: flex; flex-wrap: wrap; gap: 2rem 4rem; align-items: flex-start; margin: 2rem 0 1.5rem; }
.figures { display: grid; grid-template-columns: repeat(3, auto); gap: 1rem 2.5rem; margin: 0; }
.figures div { display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.figures dt { font-size: .8rem; color: var(--muted); }
.figures dd { font-size: 1.4rem; line-height: 1.2; margin: 0; font-variant-numeric: tabular-nums; }
.figures .main { grid-column: 1 / -1; }
.figures .main dd { font-size: 3rem; font-weight: 650; line-height: 1; letter-spacing: -.02em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem 0 .3rem 1.75rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child { text-align: left; padding-left: 0; font-weight: 400; }
thead th { font-size: .8rem; font-weight: 400; color: var(--muted); }
.note { color: var(--muted); font-size: .875rem; max-width: 48rem; margin: 0; }
article {
  background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--line);
  border-radius: 8px; padding: .9rem 1.2rem 1rem; margin: 0 0 .9rem;
}
article.errors { border-left-color: var(--bad); }
article header { display: flex; flex-wrap: wrap; gap: .2rem 1rem; justify-content: space-between; }
.state { font-size: .85rem; color: var(--muted); }
.errors .state { color: var(--bad); font-weight: 600; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem 2rem; margin-top: .6rem; }
@media (max-width: 46rem) { .pair { grid-template-columns: 1fr; } }
.pair section { min-width: 0; }
.entities { line-height: 2 !important; white-space: pre-wrap; overflow-wrap: anywhere; }
mark {
  background: hsl(var(--hue) var(--chip-s) var(--chip-l)); color: inherit; padding: .2em .4em;
  border-radius: 5px; outline-offset: -2px;
  -webkit-box-decoration-break: clone; box-decoration-break: clone;
}
mark.wrong { outline: 2px solid var(--bad); }
mark.missed { outline: 2px dashed var(--bad); }
mark.unjudged { outline: 2px dotted var(--muted); }
.note mark { color: var(--ink); }
.label {
  font-size: .68em; font-weight: 700; letter-spacing: .02em; margin-inline-start: .5em; white-space: nowrap;
  color: hsl(var(--hue) var(--tag-s) var(--tag-l));
}
.label small {
  font-size: 1em; font-weight: 400; margin-inline-start: .4em; font-variant-numeric: tabular-nums;
}
.empty { color: var(--muted); }
@media print { article { break-inside: avoid; } }
"""
