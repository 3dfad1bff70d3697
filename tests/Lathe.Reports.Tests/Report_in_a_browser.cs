using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Lathe.Reports.Page;

namespace Lathe.Reports.Tests;

/// <summary>The page as Debian's chromium lays it out.</summary>
public sealed class Report_in_a_browser : IDisposable
{
    private const string Chromium = "/usr/bin/chromium";
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-browser-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private sealed record Layout(int PageWidth, int Requests, int Alerts, string Background, string[] Outside);

    [Theory]
    [InlineData(360, false)]
    [InlineData(360, true)]
    [InlineData(1280, true)]
    public async Task It_fits_every_width_in_light_and_dark_and_loads_nothing(int width, bool dark)
    {
        Assert.SkipUnless(File.Exists(Chromium), "chromium is not installed");
        var layout = await LookAsync(ReportPage.Html(Sweeps.Report), width, dark);
        Assert.InRange(layout.PageWidth, 1, width);
        Assert.Equal((0, 0), (layout.Requests, layout.Alerts));
        Assert.Equal(dark ? "rgb(13, 17, 23)" : "rgb(255, 255, 255)", layout.Background);
        Assert.Empty(layout.Outside);
    }

    /// <summary>Opens the page in a frame of that width, with everything unfolded, and measures it.</summary>
    private async Task<Layout> LookAsync(string page, int width, bool dark)
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "report.html"), page.Replace("<details>", "<details open=\"open\">", StringComparison.Ordinal));
        var frame = Path.Combine(_folder, "frame.html");
        await File.WriteAllTextAsync(frame, $$"""
            <!DOCTYPE html><body><iframe id="f" src="report.html" style="width:{{width}}px;height:1000px;border:0"></iframe><script>
            let alerts = 0; window.alert = () => alerts++;
            document.getElementById('f').onload = e => {
              const w = e.target.contentWindow, d = w.document, outside = [];
              for (const text of d.querySelectorAll('svg text')) {
                const t = text.getBoundingClientRect(), s = text.ownerSVGElement.getBoundingClientRect();
                if (t.left < s.left - 1 || t.right > s.right + 1 || t.top < s.top - 1 || t.bottom > s.bottom + 1) outside.push(text.textContent);
              }
              const measured = JSON.stringify({
                pageWidth: d.documentElement.scrollWidth, requests: w.performance.getEntriesByType('resource').length, alerts,
                background: w.getComputedStyle(d.body).backgroundColor, outside });
              document.body.innerHTML = '<pre id="out"></pre>';
              document.getElementById('out').textContent = measured;
            };
            </script></body>
            """);
        var start = new ProcessStartInfo(Chromium,
        [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--allow-file-access-from-files",
            $"--user-data-dir={Path.Combine(_folder, "profile")}", $"--window-size={width + 100},1200", $"--blink-settings=preferredColorScheme={(dark ? 0 : 1)}",
            "--virtual-time-budget=10000", "--dump-dom", new Uri(frame).AbsoluteUri,
        ]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }

        var found = Regex.Match(await output, "<pre id=\"out\">(.*?)</pre>", RegexOptions.Singleline);
        Assert.True(found.Success, $"chromium gave no measurements: {await errors}");
        return JsonSerializer.Deserialize<Layout>(System.Net.WebUtility.HtmlDecode(found.Groups[1].Value), JsonSerializerOptions.Web)!;
    }
}
