/// The style of pages with charts and tables: light, dark and on paper, for wide and narrow screens.
package enum PageStyle {
  /// The style sheet.
  package static let text = """
    :root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --soft: #5b6570; --line: #d5dae0;
      --solved: #0b5cad; --recipe: #b04a00; --stock: #5b6570; --good: #1a6b33; --bad: #b00020; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --paper: #14171a; --soft: #9aa4ae; --line: #363c43;
      --solved: #6db3f8; --recipe: #f0a35e; --stock: #9aa4ae; --good: #7fd896; --bad: #ff8a94; } }
    * { box-sizing: border-box; }
    body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
      max-width: 72rem; padding: 0 1rem; }
    h1 { font-size: 1.5rem; margin: 0 0 .5rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin: 2rem 0 .4rem; }
    p { margin: .4rem 0; max-width: 60rem; } .answer { font-size: 1.1rem; } .soft { color: var(--soft); }
    .good { color: var(--good); } .bad { color: var(--bad); }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
    th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
    thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; } tbody th { font-weight: 600; }
    td.n, th.n { text-align: right; } td.n { white-space: nowrap; } td.wide { min-width: 11rem; overflow-wrap: anywhere; }
    tbody th { white-space: nowrap; } small { color: var(--soft); }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: .5rem 0; max-width: 60rem; }
    dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
    figure { margin: .8rem 0 0; } svg { display: block; width: 100%; height: auto; }
    svg text { fill: var(--soft); font: 12px system-ui, sans-serif; } svg text.name { fill: var(--ink); }
    svg text.name.solved { fill: var(--solved); font-weight: 600; } svg text.name.recipe { fill: var(--recipe); }
    svg text.name.gguf { fill: var(--solved); } svg text.name.mlx { fill: var(--recipe); }
    .grid { stroke: var(--line); stroke-width: .6; fill: none; } .axis { stroke: var(--soft); stroke-width: 1; fill: none; }
    .line { stroke: var(--solved); stroke-width: 1.5; fill: none; }
    g.solved circle, g.gguf circle, .key .solved { fill: var(--solved); } g.recipe path, g.mlx path { fill: var(--recipe); }
    g.stock path { fill: var(--paper); stroke: var(--stock); stroke-width: 1.5; }
    g .measured, g .range { fill: none !important; stroke-width: 2 !important; }
    g .range { stroke-width: 1 !important; }
    g.solved .measured, g.solved .range, g.gguf .range { stroke: var(--solved); } g.mlx .range, g.recipe .measured, g.recipe .range { stroke: var(--recipe); }
    g.stock .measured, g.stock .range { stroke: var(--stock); }
    .key { color: var(--soft); font-size: .85rem; margin: .2rem 0 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; list-style: none; }
    .key svg { display: inline-block; width: 14px; height: 12px; vertical-align: -1px; margin-right: .3rem; }
    .choice { border: 0; margin: .6rem 0; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem; align-items: center; font-size: .85rem; }
    .choice legend { float: left; color: var(--soft); padding: 0; margin-right: .3rem; }
    .choice input { position: absolute; opacity: 0; }
    .choice span { display: block; padding: .1rem .7rem; border: 1px solid var(--line); border-radius: 99px; cursor: pointer; }
    .choice input:checked + span { border-color: var(--solved); color: var(--solved); font-weight: 600; }
    .choice input:focus-visible + span { outline: 2px solid var(--solved); outline-offset: 2px; }
    details { margin: .8rem 0; } summary { cursor: pointer; color: var(--solved); }
    figure.narrow { display: none; }
    @media screen and (max-width: 640px) { body { margin: 1rem auto; } figure.wide { display: none; } figure.narrow { display: block; }
      dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; }
      .stack, .stack tbody, .stack tr, .stack th, .stack td { display: block; } .stack thead { display: none; }
      .stack tr { border-bottom: 1px solid var(--line); padding: .5rem 0; } .stack th, .stack td { border: 0; padding: .1rem 0; }
      .stack td { display: flex; justify-content: space-between; gap: 1rem; }
      .stack td::before { content: attr(data-name); color: var(--soft); flex: none; } .stack td span { text-align: right; }
      .stack td small { display: inline-block; } }
    @media print { :root { color-scheme: light; --ink: #000; --paper: #fff; --soft: #444; --line: #aaa;
      --solved: #0b5cad; --recipe: #b04a00; --stock: #444; --good: #000; --bad: #900; }
      body { margin: 0; max-width: none; } figure, tr { break-inside: avoid; } h2 { break-after: avoid; }
      .scroll { overflow: visible; } .choice { display: none; } table { font-size: .75rem; } th, td { padding-right: .6rem; } td.wide { min-width: 0; } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
    """

  /// The style of a chart that is a file of its own.
  static let chartOnWhite = """
    text{fill:#5b6570;font:13px system-ui,sans-serif}text.name{fill:#1b1f24;font-weight:600}\
    text.gguf,text.solved{fill:#0b5cad}text.mlx,text.recipe{fill:#b04a00}\
    .grid{stroke:#d5dae0;stroke-width:.6;fill:none}.axis{stroke:#5b6570;stroke-width:1;fill:none}\
    .line{stroke:#0b5cad;stroke-width:1.5;fill:none}.range,.measured{fill:none;stroke-width:1.5}\
    .solved circle,.gguf circle{fill:#0b5cad}.recipe .shape,.mlx .shape{fill:#b04a00}\
    .stock .shape{fill:#fff;stroke:#5b6570;stroke-width:1.5}\
    .solved path,.gguf path{stroke:#0b5cad}.recipe path,.mlx path{stroke:#b04a00}.stock path{stroke:#5b6570}
    """
}
