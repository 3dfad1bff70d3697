namespace Lathe.Cli.Report;

/// <summary>How a report looks: colours after Okabe and Ito, which people of every kind of colour vision tell apart, each with dashes of its own.</summary>
internal static class ReportStyle
{
    /// <summary>Of plots alone; a plot that is a file of its own has nothing else.</summary>
    public const string Plots = """
        :root {
          --paper: #ffffff; --ink: #1b1f24; --soft: #57606a; --grid: #d8dee4; --panel: #f6f8fa;
          --c0: #1b1f24; --c1: #0072b2; --c2: #d55e00; --c3: #007a5a; --c4: #a8487e; --c5: #8a6100; --c6: #2f83b3; --c7: #6e5494;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --paper: #0d1117; --ink: #e6edf3; --soft: #9da7b3; --grid: #30363d; --panel: #161b22;
            --c0: #e6edf3; --c1: #56b4e9; --c2: #ff8f4a; --c3: #2fc79a; --c4: #e79ac6; --c5: #f0c14b; --c6: #a5d8ff; --c7: #c3a6ff;
          }
        }
        @media print {
          :root {
            --paper: #ffffff; --ink: #000000; --soft: #444444; --grid: #cccccc; --panel: #ffffff;
            --c0: #000000; --c1: #0072b2; --c2: #d55e00; --c3: #007a5a; --c4: #a8487e; --c5: #8a6100; --c6: #2f83b3; --c7: #6e5494;
          }
        }
        svg.plot { display: block; width: 100%; height: auto; font: 10.5px system-ui, sans-serif; }
        svg.plot text { fill: var(--ink); }
        svg.plot text.value { fill: var(--soft); font-size: 10px; }
        svg.plot text.number { font-weight: 600; paint-order: stroke; stroke: var(--panel); stroke-width: 3px; stroke-linejoin: round; }
        svg.plot text.cell { font-size: 9px; }
        svg.plot text.title { font-size: 12px; font-weight: 600; }
        .grid { stroke: var(--grid); stroke-width: 0.7; }
        .axis { stroke: var(--soft); stroke-width: 1; }
        .s0 { color: var(--c0); } .s1 { color: var(--c1); } .s2 { color: var(--c2); } .s3 { color: var(--c3); }
        .s4 { color: var(--c4); } .s5 { color: var(--c5); } .s6 { color: var(--c6); } .s7 { color: var(--c7); }
        .line { fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linejoin: round; }
        .line.s1 { stroke-dasharray: 7 2.5; } .line.s2 { stroke-dasharray: 2 2; } .line.s3 { stroke-dasharray: 8 2 2 2; }
        .line.s4 { stroke-dasharray: 4 3; } .line.s5 { stroke-dasharray: 10 2 2 2 2 2; } .line.s6 { stroke-dasharray: 1.5 3; } .line.s7 { stroke-dasharray: 12 4; }
        .line.target { stroke-width: 1; stroke-dasharray: 3 3; opacity: 0.75; }
        .moment { stroke: var(--soft); stroke-width: 1.2; stroke-dasharray: 1.5 2.5; }
        .dot { fill: currentColor; }
        .mark { fill: currentColor; fill-opacity: 0.5; stroke: currentColor; stroke-width: 1.2; }
        .onfront .mark { fill-opacity: 1; stroke: var(--ink); stroke-width: 1.5; }
        .front { fill: none; stroke: var(--soft); stroke-width: 1.3; stroke-dasharray: 4 2; }
        .interval { stroke: var(--soft); stroke-width: 1; }
        .before { fill: none; stroke: var(--soft); stroke-width: 0.8; }
        .after { fill: var(--c1); fill-opacity: 0.75; }
        .ridge { fill: var(--c1); fill-opacity: 0.45; stroke: var(--c1); stroke-width: 0.9; stroke-linejoin: round; }
        .right { fill: var(--c1); } .wrong { fill: var(--c2); }
        .mode { stroke: var(--panel); stroke-width: 0.6; } .below { fill: var(--c1); } .zero { fill: var(--grid); } .above { fill: var(--c2); }
        .outline { fill: none; stroke: var(--soft); stroke-width: 0.8; }
        """;

    /// <summary>Of the page around them.</summary>
    public const string Page = """
        * { box-sizing: border-box; }
        html { color-scheme: light dark; -webkit-text-size-adjust: 100%; }
        body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
        main { max-width: 76rem; margin: 0 auto; padding: 1rem; }
        h1 { font-size: 1.6rem; line-height: 1.2; margin: 0.5rem 0; overflow-wrap: anywhere; }
        h2 { font-size: 1.2rem; margin: 2.2rem 0 0.4rem; border-bottom: 1px solid var(--grid); padding-bottom: 0.2rem; }
        h3 { font-size: 1rem; margin: 0 0 0.3rem; overflow-wrap: anywhere; }
        p { margin: 0.4rem 0; max-width: 46rem; overflow-wrap: anywhere; }
        .soft, figcaption { color: var(--soft); font-size: 0.875rem; }
        .note { border-left: 4px solid var(--c2); background: var(--panel); padding: 0.4rem 0.8rem; overflow-wrap: anywhere; }
        .plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); gap: 1rem; align-items: start; }
        figure { margin: 0; padding: 0.7rem; background: var(--panel); border: 1px solid var(--grid); border-radius: 6px; break-inside: avoid; min-width: 0; }
        figcaption { margin-top: 0.3rem; overflow-wrap: anywhere; }
        .wide {
          overflow-x: auto;
          background: linear-gradient(to right, var(--paper) 40%, transparent) 0 0 / 2rem 100% no-repeat local,
            linear-gradient(to left, var(--paper) 40%, transparent) 100% 0 / 2rem 100% no-repeat local,
            linear-gradient(to right, var(--soft), transparent) 0 0 / 0.6rem 100% no-repeat scroll,
            linear-gradient(to left, var(--soft), transparent) 100% 0 / 0.6rem 100% no-repeat scroll;
        }
        table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
        th, td { text-align: right; padding: 0.25rem 0.6rem; border-bottom: 1px solid var(--grid); white-space: nowrap; vertical-align: top; }
        th:first-child, td:first-child, th.text, td.text { text-align: left; }
        td.way { white-space: normal; min-width: min(11rem, 34vw); text-align: left; overflow-wrap: anywhere; }
        td small { color: var(--soft); display: block; }
        tr.best td { font-weight: 600; }
        code, pre { font: 0.8125rem/1.45 ui-monospace, monospace; }
        code { overflow-wrap: anywhere; }
        pre { background: var(--panel); border: 1px solid var(--grid); border-radius: 6px; padding: 0.6rem; overflow-x: auto; margin: 0.4rem 0; }
        details { margin: 0.5rem 0; } summary { cursor: pointer; overflow-wrap: anywhere; }
        ul { padding-left: 1.2rem; margin: 0.3rem 0; }
        li { overflow-wrap: anywhere; }
        @media (max-width: 40rem) { main { padding: 0.75rem; } figure { padding: 0.4rem; } }
        @media print { main { max-width: none; padding: 0; } h2 { break-after: avoid; } .wide { overflow: visible; } pre { white-space: pre-wrap; } }
        """;
}
