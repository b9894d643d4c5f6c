/// The style sheet of the page.
enum DrawingStyle {
  static let text = """
    :root{color-scheme:light dark;--ground:#f6f5f1;--card:#fff;--ink:#1c1e21;--soft:#595d63;--line:#d9d6cd;
    --accent:#0b5c8a;--paper:#fff;--good:#1d6b34;--fair:#7a5200;--bad:#a3271b;--mark:#ffe28a;--markink:#1c1e21}
    @media screen and (prefers-color-scheme:dark){:root{--ground:#15171a;--card:#1f2226;--ink:#e8e6e1;--soft:#a9adb3;
    --line:#3a3e44;--accent:#7cc4ee;--paper:#fbfaf6;--good:#7fd197;--fair:#e5b95c;--bad:#ff9a8b;--mark:#7a5c00;--markink:#fff}}
    *{box-sizing:border-box}
    body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
    header,main,footer{max-width:1300px;margin:0 auto;padding:0 20px}
    header{padding-top:32px}
    h1{font-size:1.75rem;line-height:1.2;margin:0 0 .4em}
    h2{font-size:1.25rem;margin:2.2em 0 .3em}
    h3{font-size:1.05rem;margin:0}
    p{margin:.4em 0 .8em;max-width:76ch}
    .answer{font-size:1.15rem;max-width:80ch;overflow-wrap:anywhere}
    .soft,figcaption small,.facts{color:var(--soft);font-size:.875rem}
    .facts{overflow-wrap:anywhere}
    a{color:var(--accent)}
    .scroll{overflow-x:auto;border:1px solid var(--line);border-radius:10px;background:var(--card)}
    table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.85rem}
    th,td{padding:7px 9px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
    tr:last-child td,tr:last-child th{border-bottom:0}
    thead th{color:var(--soft);font-weight:600;vertical-align:bottom;white-space:normal;min-width:5.2em}
    thead th:first-child{min-width:8em}.overview td,.overview th{padding:7px 6px;font-size:.8rem}.overview td small{font-size:.74rem}
    .overview td:nth-child(2),.overview th:nth-child(2){text-align:left}
    th:first-child,td:first-child{text-align:left}
    tbody th{font-weight:600;position:sticky;left:0;background:var(--card)}
    td small{display:block;color:var(--soft);font-size:.78rem}
    .pill{display:inline-block;padding:0 9px;border:1px solid currentColor;border-radius:99px;font-size:.8rem;font-weight:600}
    .good{color:var(--good)}.fair{color:var(--fair)}.bad{color:var(--bad)}
    .charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:16px;margin-top:16px}
    .chart{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px}
    .chart svg{display:block;width:100%;height:auto;color:var(--ink)}
    .chart text{font:12px system-ui,sans-serif;fill:currentColor}
    .chart .axis{stroke:var(--line)}.chart .soft{fill:var(--soft)}
    .chart .bar{stroke:var(--accent);stroke-width:5;stroke-linecap:round;opacity:.45}.chart .dot{fill:var(--accent)}
    .sizes{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px;margin-top:16px}
    .sizes svg{display:block;width:100%;height:auto}.sizes text{font:12px system-ui,sans-serif;fill:var(--soft)}
    .sizes text.gguf{fill:var(--accent);font-weight:600}.sizes text.mlx{fill:var(--fair);font-weight:600}
    .sizes .grid{stroke:var(--line);stroke-width:.6;fill:none}.sizes .axis{stroke:var(--soft);fill:none}
    .sizes .range{fill:none;stroke-width:1.5}.sizes .gguf circle{fill:var(--accent)}.sizes .gguf path{stroke:var(--accent)}
    .sizes .mlx .shape{fill:var(--fair)}.sizes .mlx path{stroke:var(--fair)}.sizes.narrow{display:none}
    .choice{border:0;margin:.6em 0;padding:0;display:flex;flex-wrap:wrap;gap:5px;align-items:center;font-size:.85rem}
    .choice legend{float:left;color:var(--soft);padding:0;margin-right:5px}.choice label{max-width:100%}
    .choice input{position:absolute;opacity:0}
    .choice span{display:block;padding:1px 11px;border:1px solid var(--line);border-radius:99px;background:var(--card);cursor:pointer;overflow-wrap:anywhere}
    .choice input:checked+span{border-color:var(--accent);color:var(--accent);font-weight:600}
    .choice input:focus-visible+span{outline:2px solid var(--accent);outline-offset:2px}
    .prompts{display:flex;flex-direction:column}
    .prompt{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:16px 18px 18px;margin:16px 0;
    content-visibility:auto;contain-intrinsic-size:auto 420px}
    .prompt header{padding:0;display:flex;flex-wrap:wrap;gap:2px 14px;align-items:baseline}
    .grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,230px));gap:14px;margin-top:12px}
    figure{margin:0;min-width:0}
    .paper{display:flex;align-items:center;justify-content:center;aspect-ratio:1;background:var(--paper);
    border:1px solid var(--line);border-radius:8px;overflow:hidden;color:#333}
    .paper>svg{width:100%;height:100%;display:block}
    .none{padding:10px;font-size:.8rem;text-align:center;overflow-wrap:anywhere}
    .base .paper{border:2px solid var(--accent)}
    figcaption{padding-top:5px;font-size:.875rem;line-height:1.35;overflow-wrap:anywhere}
    figcaption b{display:block}
    .contents ol{columns:3 240px;margin:8px 0;padding-left:2.4em;font-size:.875rem}
    details{margin-top:10px}
    summary{cursor:pointer;color:var(--accent);font-size:.9rem}
    details details{border-top:1px solid var(--line);padding-top:8px}
    pre{margin:8px 0;padding:10px 12px;background:var(--ground);border-radius:8px;font:12.5px/1.5 ui-monospace,monospace;
    white-space:pre-wrap;overflow-wrap:anywhere;max-height:26em;overflow:auto}
    mark{background:var(--mark);color:var(--markink);border-radius:3px;padding:0 1px}
    ul.checks{list-style:none;padding:0;margin:6px 0;font-size:.875rem}
    dl{margin:.6em 0;max-width:90ch}dt{font-weight:600}dd{margin:0 0 .5em;color:var(--soft)}
    footer{padding-top:24px;padding-bottom:48px;color:var(--soft);font-size:.875rem}
    @media (max-width:560px){.sizes.wide{display:none}.sizes.narrow{display:block}header,main,footer{padding-left:12px;padding-right:12px}
    .grid{grid-template-columns:repeat(2,minmax(0,1fr));gap:10px}.prompt{padding:12px}h1{font-size:1.4rem}
    th,td{padding:6px 9px}
    .overview thead{display:none}.overview,.overview tbody{display:block}
    .overview tr{display:block;padding:10px 12px;border-bottom:1px solid var(--line)}.overview tr:last-child{border-bottom:0}
    .overview tbody th,.overview td{display:flex;justify-content:space-between;gap:12px;padding:2px 0;border:0;position:static;white-space:normal}
    .overview td[data-name]::before{content:attr(data-name);color:var(--soft)}.overview td span{text-align:right}}
    @media print{html{font-size:9.5px}body{font-size:11px;background:#fff}header,main,footer{max-width:none;padding:0}
    .scroll{overflow:visible}table{font-size:8px}th,td{padding:2px 4px;white-space:normal}td small{font-size:7px}thead th{min-width:0}tbody th{position:static;overflow-wrap:anywhere}
    .prompt{content-visibility:visible;break-inside:avoid;border:0;padding:4px 0;margin:8px 0}.chart,figure,tr{break-inside:avoid}h2,h3{break-after:avoid}
    .grid{grid-template-columns:repeat(auto-fit,minmax(90px,130px));gap:8px}.charts{grid-template-columns:repeat(3,1fr)}.prompt details,.contents,.choice{display:none}.prompts{display:block}}
    """
}
