using System.Text;
using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace Lathe.Web.Tests;

/// <summary>Every page at four widths, light and dark: nothing is wider than the screen, axe finds nothing serious, and a picture is kept.</summary>
public sealed class Every_page(Browser browser, Every_page.Scene scene) : IClassFixture<Browser>, IClassFixture<Every_page.Scene>
{
    private static readonly string[] Serious = ["serious", "critical"];

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
            var live = await Bench.SubmitAsync(WebBench.Sweep("runs-now", "held-everywhere"));
            foreach (var (name, place) in ((string, string)[])
            [
                ("sweeps", "/"), ("sweep", $"/sweeps/{small}"), ("sweep-live", $"/sweeps/{live}"), ("sweep-failed", $"/sweeps/{broken}"), ("results", $"/sweeps/{many}/results"),
                ("parallel", $"/sweeps/{many}/results?plot=parallel"), ("executions", $"/sweeps/{broken}/executions"), ("source", $"/sweeps/{small}/source"),
                ("execution", $"/sweeps/{small}/executions/3"), ("execution-live", $"/sweeps/{live}/executions/0"), ("files", $"/sweeps/{small}/executions/2/files"), ("log", $"/sweeps/{small}/executions/0/log"),
                ("origin", $"/sweeps/{many}/executions/2/origin"), ("compare", $"/compare?executions={small}:3,{small}:5,{small}:7"), ("new", "/new"), ("repeat", $"/new?from={broken}"), ("workers", "/workers"), ("store", "/store"),
            ]) Places[name] = place;
        }

        public async ValueTask DisposeAsync()
        {
            ShapeStage.Release("held-everywhere");
            await Bench.DisposeAsync();
        }
    }

    public static TheoryData<int, ColorScheme> Screens()
    {
        var screens = new TheoryData<int, ColorScheme>();
        foreach (var width in (int[])[390, 768, 1280, 2560])
        {
            screens.Add(width, ColorScheme.Light);
            screens.Add(width, ColorScheme.Dark);
        }

        return screens;
    }

    [Theory]
    [MemberData(nameof(Screens))]
    public async Task Fits_and_can_be_used_by_everybody(int width, ColorScheme colours)
    {
        await using var tab = await browser.OpenAsync(scene.Bench.Address, width, 900, colours);
        var found = new StringBuilder();
        foreach (var (name, place) in scene.Places)
        {
            await tab.GoAsync(place);
            await Assertions.Expect(tab.Page.Locator(".loading, .checking, .chart > div:not(:has(canvas))")).ToHaveCountAsync(0);
            await tab.Page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(Browser.Pictures, $"{name}-{width}-{(colours == ColorScheme.Dark ? "dark" : "light")}.png"), FullPage = true });
            if (await tab.Page.EvaluateAsync<int>("document.documentElement.scrollWidth") is var wide && wide > width) found.AppendLine($"{name}: is {wide} pixels wide on a screen of {width}");
            if (width == 390 && await tab.Page.EvaluateAsync<string[]>(SticksOut) is { Length: > 0 } outside) found.AppendLine($"{name}: sticks out: {string.Join("; ", outside)}");
            // Between these two widths, and beyond them, the same elements only have more room.
            if (width is not (390 or 1280)) continue;
            var axe = await tab.Page.RunAxe();
            foreach (var violation in axe.Violations.Where(v => Serious.Contains(v.Impact)))
                found.AppendLine($"{name}: {violation.Id}: {violation.Help}: {string.Join("; ", violation.Nodes.Take(3).Select(n => n.Html))}");
        }

        Assert.Equal("", found.ToString());
        Assert.Empty(tab.Wrong);
    }
}
