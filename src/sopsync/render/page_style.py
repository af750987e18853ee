"""How the status page looks: one style sheet, light and dark, no font, image or script from anywhere."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f5f6f8; --line: #c9ced6; --text: #1a1f29; --soft: #535c6b; --link: #0b57b0;
  --good: #14692f; --good-ground: #e4f3e8; --wait: #7a4d00; --wait-ground: #fdf1d8;
  --bad: #a3181f; --bad-ground: #fce8e8; --idle: #535c6b; --idle-ground: #eceef2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171c; --raised: #1d2229; --line: #3b434f; --text: #e8ebf0; --soft: #a9b3c2; --link: #8ab8ff;
    --good: #7fd79a; --good-ground: #16301f; --wait: #f0bf5c; --wait-ground: #352809;
    --bad: #ff9d9d; --bad-ground: #3d1719; --idle: #a9b3c2; --idle-ground: #262c35;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 90rem;
  background: var(--ground); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; }
p { margin: .25rem 0; max-width: 75ch; }
a { color: var(--link); }
code { font: .875em/1.4 ui-monospace, monospace; overflow-wrap: break-word; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: 1rem; background: var(--ground); padding: .5rem 1rem; z-index: 3; }
.soft { color: var(--soft); }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: 0; margin: 1rem 0 0; }
.verdict { margin: 1.25rem 0 0; padding: .75rem 1rem; border-left: .3rem solid; font-size: 1.1rem; max-width: none; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 1rem 0 0; }
.tiles div { background: var(--raised); border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .8rem; }
.tiles dt { color: var(--soft); font-size: .9rem; }
.tiles dd { margin: 0; font-size: 1.6rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.scroll { position: relative; overflow: auto; max-height: 80vh; border: 1px solid var(--line); border-radius: .4rem; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; padding: .6rem .8rem; color: var(--soft); }
th, td { text-align: left; vertical-align: top; padding: .45rem .8rem; border-top: 1px solid var(--line); }
thead th { white-space: nowrap; position: sticky; top: 0; background: var(--raised); z-index: 2; border-top: 0; }
tbody th { font-weight: 500; }
tbody th.file { background: var(--raised); font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.matrix tbody th:not(.file) { position: sticky; left: 0; background: var(--ground); max-width: 24rem; }
.state { display: inline-block; padding: 0 .5em; border-radius: .3rem; white-space: nowrap; }
.good { color: var(--good); background: var(--good-ground); }
.wait { color: var(--wait); background: var(--wait-ground); }
.bad { color: var(--bad); background: var(--bad-ground); }
.idle { color: var(--idle); background: var(--idle-ground); }
.verdict.good, .verdict.bad, .verdict.wait { border-color: currentColor; }
.entry + .entry { margin-top: .5rem; }
.entry > * { display: block; width: fit-content; }
.bar { display: inline-block; height: .7rem; margin-right: .5rem; border-radius: .2rem; background: var(--link); }
td:not(.number) { min-width: 11rem; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1rem; }
@media print {
  .scroll { max-height: none; overflow: visible; }
  thead th { position: static; }
  nav, .skip { display: none; }
}
"""
