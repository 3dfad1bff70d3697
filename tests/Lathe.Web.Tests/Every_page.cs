using System.Text;
using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace Lathe.Web.Tests;

/// <summary>Every page at four widths, light and dark: nothing is wider than the screen, axe finds nothing serious, and a picture is kept in artifacts/web.</summary>
public sealed class Every_page(Browser browser, Every_page.Scene scene) : IClassFixture<Browser>, IClassFixture<Every_page.Scene>
{
    private static readonly string[] Serious = ["serious", "critical"];

    private static readonly string[] Names =
    [
        "sweeps", "sweep", "sweep-live", "sweep-failed", "results", "parallel", "trials", "executions", "source", "execution", "execution-live", "files", "log", "origin", "compare", "new", "repeat", "workers", "store",
    ];

    // What can be scrolled by itself may be wider than the screen.
    private const string SticksOut = """
        () => [...document.querySelectorAll('main *')]
          .filter(e => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.wide, .scroll, .flow, pre, svg, textarea'))
          .slice(0, 3).map(e => e.outerHTML.slice(0, 150))
        """;

    /// <summary>A coordinator with sweeps in every state.</summary>
    public sealed class Scene : IAsyncLifetime
    {
        public WebBench Bench { get; private set; } = null!;

        /// <summary>Addresses by name.</summary>
        public Dictionary<string, string> Places { get; } = [];

        public async ValueTask InitializeAsync()
        {
            Bench = await WebBench.StartAsync();
            var small = await Bench.RunAsync(WebBench.Sweep("fashion-small"));
            var broken = await Bench.RunAsync(WebBench.Sweep("some-fail", "other", "[0.5, 0.05]"));
            var many = await Bench.RunAsync(WebBench.Sweep("shares-and-bits", "third", "[0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]", "[2, 3, 4, 8]"));
            var search = await Bench.RunAsync(WebBench.Search("small-and-good", "searched", trials: 12));
            var live = await Bench.SubmitAsync(WebBench.Sweep("runs-now", "held-everywhere"));
            string[] places =
            [
                "/", $"/sweeps/{small}", $"/sweeps/{live}", $"/sweeps/{broken}", $"/sweeps/{many}/results", $"/sweeps/{many}/results?plot=parallel", $"/sweeps/{search}/trials", $"/sweeps/{broken}/executions", $"/sweeps/{small}/source",
                $"/sweeps/{small}/executions/3", $"/sweeps/{live}/executions/0", $"/sweeps/{small}/executions/2/files", $"/sweeps/{small}/executions/0/log",
                $"/sweeps/{many}/executions/2/origin", $"/compare?executions={small}:3,{small}:5,{small}:7", "/new", $"/new?from={broken}", "/workers", "/store",
            ];
            foreach (var (name, place) in Names.Zip(places)) Places[name] = place;
        }

        public async ValueTask DisposeAsync()
        {
            ShapeStage.Release("held-everywhere");
            await Bench.DisposeAsync();
        }
    }

    public static TheoryData<string> Pages() => [.. Names];

    [Theory]
    [MemberData(nameof(Pages))]
    public async Task Fits_and_can_be_used_by_everybody(string page)
    {
        await using var tab = await browser.OpenAsync(scene.Bench.Address);
        var found = new StringBuilder();
        await tab.GoAsync(scene.Places[page]);
        foreach (var width in (int[])[390, 768, 1280, 2560])
        {
            await tab.Page.SetViewportSizeAsync(width, 900);
            foreach (var colours in (ColorScheme[])[ColorScheme.Light, ColorScheme.Dark])
            {
                await tab.Page.EmulateMediaAsync(new PageEmulateMediaOptions { ColorScheme = colours });
                await Assertions.Expect(tab.Page.Locator(".loading, .checking, .chart > div:not(:has(canvas))")).ToHaveCountAsync(0);
                // Charts follow the width of the page with its next frame.
                await tab.Page.EvaluateAsync("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))");
                await tab.Page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(Browser.Pictures, $"{page}-{width}-{(colours == ColorScheme.Dark ? "dark" : "light")}.png"), FullPage = true });
                // Between these two widths, and beyond them, the same elements only have more room.
                if (width is not (390 or 1280)) continue;
                var axe = await tab.Page.RunAxe();
                foreach (var violation in axe.Violations.Where(v => Serious.Contains(v.Impact)))
                    found.AppendLine($"{width} {colours}: {violation.Id}: {violation.Help}: {string.Join("; ", violation.Nodes.Take(3).Select(n => n.Html))}");
            }

            if (await tab.Page.EvaluateAsync<int>("document.documentElement.scrollWidth") is var wide && wide > width) found.AppendLine($"is {wide} pixels wide on a screen of {width}");
            if (width == 390 && await tab.Page.EvaluateAsync<string[]>(SticksOut) is { Length: > 0 } outside) found.AppendLine($"sticks out: {string.Join("; ", outside)}");
        }

        Assert.Equal("", found.ToString());
        Assert.Empty(tab.Wrong);
    }
}
