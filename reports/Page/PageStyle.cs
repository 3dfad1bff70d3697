namespace Lathe.Reports.Page;

/// <summary>How a page looks around its plots.</summary>
internal static class PageStyle
{
    /// <summary>Its style sheet; colours are those of the plots.</summary>
    public const string Css = """
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
        td.way { white-space: normal; min-width: min(12.5rem, 50vw); text-align: left; overflow-wrap: anywhere; }
        td small { color: var(--soft); display: block; }
        tr.best td { font-weight: 600; }
        code, pre { font: 0.8125rem/1.45 ui-monospace, monospace; }
        code { overflow-wrap: anywhere; }
        pre { background: var(--panel); border: 1px solid var(--grid); border-radius: 6px; padding: 0.6rem; overflow-x: auto; margin: 0.4rem 0; }
        .table { margin: 0.8rem 0 1.2rem; }
        details { margin: 0.5rem 0; } summary { cursor: pointer; overflow-wrap: anywhere; }
        ul { padding-left: 1.2rem; margin: 0.3rem 0; }
        li { overflow-wrap: anywhere; }
        @media (max-width: 40rem) { main { padding: 0.75rem; } figure { padding: 0.4rem; } }
        @media print { main { max-width: none; padding: 0; } h2 { break-after: avoid; } .wide { overflow: visible; } pre { white-space: pre-wrap; } }
        """;
}
