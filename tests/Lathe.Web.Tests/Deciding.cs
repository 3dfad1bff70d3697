using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Lathe.Web.Tests;

/// <summary>From the results of a sweep to the one that somebody wants.</summary>
public sealed class Deciding(Browser browser) : IClassFixture<Browser>
{
    [Fact]
    public async Task Results_are_filtered_sorted_marked_in_the_plot_and_compared()
    {
        await using var bench = await WebBench.StartAsync();
        var id = await bench.RunAsync(WebBench.Sweep("choices", shares: "[0.1, 0.25, 0.5, 0.75]", bits: "[2, 4, 8]"));
        await using var tab = await browser.OpenAsync(bench.Address, height: 1400);
        await tab.GoAsync($"/sweeps/{id}/results");
        var rows = tab.Page.Locator(".scroll tbody tr");
        await Expect(rows).ToHaveCountAsync(13);

        // The plot says in words what is on its front: by rising cost, hits rise too.
        var plot = tab.Page.GetByRole(AriaRole.Img, new() { Name = "Pareto front" });
        await Expect(plot).ToHaveAttributeAsync("aria-label", new System.Text.RegularExpressions.Regex("13 results. On the Pareto front: cut share 0.1, cut bits 2"));

        await tab.Page.GetByLabel("Only where").SelectOptionAsync("space");
        await tab.Page.GetByLabel("Value").FillAsync("40");
        await tab.Page.Keyboard.PressAsync("Enter");
        await Expect(rows).ToHaveCountAsync(7);
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "hits %" }).ClickAsync();
        await Expect(tab.Page.Locator("th", new() { HasText = "hits %" })).ToHaveAttributeAsync("aria-sort", "descending");
        await Expect(rows.First).ToHaveClassAsync(new System.Text.RegularExpressions.Regex("best"));
        await Expect(rows.First).ToContainTextAsync("92.");

        // A brush over the left half of the plane leaves some of them.
        var canvas = tab.Page.Locator(".chart canvas").First;
        await canvas.ScrollIntoViewIfNeededAsync();
        var box = (await canvas.BoundingBoxAsync())!;
        await tab.Page.Mouse.MoveAsync(box.X + 60, box.Y + 50);
        await tab.Page.Mouse.DownAsync();
        await tab.Page.Mouse.MoveAsync(box.X + (box.Width / 2), box.Y + 330, new() { Steps = 5 });
        await tab.Page.Mouse.UpAsync();
        await Expect(tab.Page.GetByRole(AriaRole.Button, new() { Name = "Show all, not only the marked ones" })).ToBeVisibleAsync();
        Assert.InRange(await rows.CountAsync(), 1, 6);
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Show all, not only the marked ones" }).ClickAsync();
        await Expect(rows).ToHaveCountAsync(7);

        // A drag that begins and ends outside of the axes marks what lies between.
        await tab.Page.Mouse.MoveAsync(box.X + 4, box.Y + 6);
        await tab.Page.Mouse.DownAsync();
        await tab.Page.Mouse.MoveAsync(box.X + (box.Width / 2), box.Y + 395, new() { Steps = 5 });
        await tab.Page.Mouse.UpAsync();
        await Expect(tab.Page.GetByRole(AriaRole.Button, new() { Name = "Show all, not only the marked ones" })).ToBeVisibleAsync();
        var marked = await rows.CountAsync();
        Assert.InRange(marked, 1, 6);

        // A file has what the table shows, in its order and with its columns; another one has everything.
        await tab.Page.GetByText("Download", new() { Exact = true }).ClickAsync();
        var shown = await LinesAsync(tab.Page.GetByRole(AriaRole.Group, new() { Name = "As shown" }).GetByText("CSV"));
        Assert.Equal(("index,state,cut.share,cut.bits,hits,weights,width,space,seconds", marked + 1), (shown[0], shown.Length));
        Assert.Equal(await rows.Locator("td:nth-child(2)").AllInnerTextsAsync(), shown.Skip(1).Select(l => l.Split(',')[0]));
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Show all, not only the marked ones" }).ClickAsync();
        var parquet = await tab.Page.RunAndWaitForDownloadAsync(() => tab.Page.GetByRole(AriaRole.Group, new() { Name = "As shown: 7 rows" }).GetByText("Parquet").ClickAsync());
        Assert.Equal("PAR1"u8.ToArray(), (await File.ReadAllBytesAsync(await parquet.PathAsync()))[..4]);
        Assert.Equal("choices-shown.parquet", parquet.SuggestedFilename);
        Assert.Equal(14, (await LinesAsync(tab.Page.GetByRole(AriaRole.Group, new() { Name = "Everything" }).GetByText("CSV"))).Length);
        await tab.Page.GetByText("Download", new() { Exact = true }).ClickAsync();

        foreach (var i in (int[])[0, 1, 2]) await rows.Nth(i).GetByRole(AriaRole.Checkbox).CheckAsync();
        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "Compare 3" }).ClickAsync();
        await Expect(tab.Page.Locator("main h1")).ToHaveTextAsync("Compare");
        await Expect(tab.Page.Locator("#figures + .wide tbody tr").First.Locator("td")).ToHaveCountAsync(3);
        await Expect(tab.Page.Locator("#figures + .wide tbody tr").First.Locator("td b")).ToHaveCountAsync(1);

        await tab.Page.GoBackAsync();
        await Expect(tab.Page.GetByRole(AriaRole.Link, new() { Name = "Compare 3" })).ToBeVisibleAsync();
        await tab.Page.GetByLabel("Value").FillAsync("small");
        await tab.Page.Keyboard.PressAsync("Enter");
        await Expect(tab.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("is no number");
        // A comma parts decimals for some readers and thousands for others.
        await tab.Page.GetByLabel("Value").FillAsync("40,5");
        await tab.Page.Keyboard.PressAsync("Enter");
        await Expect(tab.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("\"40,5\" is no number; expected one with a point, for example 40.5");
        await Expect(tab.Page.GetByRole(AriaRole.Button, new() { Name = "Remove the filter KiB ≤ 40", Exact = true })).ToHaveCountAsync(1);
        await Expect(rows).ToHaveCountAsync(7);
        var colours = await tab.Page.EvaluateAsync<string>(Looks);
        Assert.Equal("float circle;2 bits rect;4 bits triangle|4 bits triangle", colours);

        // Room around points: percent end at 100, and whole numbers have whole ticks.
        const string Room = """
            async () => {
              const { room } = await import(new URL('charts/chart.js', document.baseURI));
              return [room([86, 98.9], true).max, room([96.5], true).max, room([99.5], true).max, room([2, 3, 4], false).interval];
            }
            """;
        var room = await tab.Page.EvaluateAsync<double[]>(Room);
        Assert.Equal([100, 99, 100, 1], room);
        Assert.Empty(tab.Wrong);

        async Task<string[]> LinesAsync(ILocator button) => await File.ReadAllLinesAsync(await (await tab.Page.RunAndWaitForDownloadAsync(() => button.ClickAsync())).PathAsync());
    }

    // The look of each group in a plot of all results, and in one of some of them.
    private const string Looks = """
        async () => {
          const { groupsOf } = await import(new URL('sweep/plots.js', document.baseURI));
          const x = { at: 0 }, y = { at: 1 }, bits = { at: 2 };
          const rows = [[1, 1, null], [2, 2, 2], [3, 3, 4]].map(values => ({ values }));
          const told = of => of.filter(g => g.rows.length > 0).map(g => `${g.name} ${g.symbol.startsWith('path') ? 'path' : g.symbol}`).join(';');
          return `${told(groupsOf(rows, rows, x, y, bits))}|${told(groupsOf(rows, rows.slice(2), x, y, bits))}`;
        }
        """;

    [Fact]
    public async Task Results_go_on_by_themselves_when_the_coordinator_answers_again()
    {
        await using var bench = await WebBench.StartAsync();
        var id = await bench.RunAsync(WebBench.Sweep("gone-and-back"));
        await using var tab = await browser.OpenAsync(bench.Address);
        await tab.GoAsync("/workers");
        // While nothing answers, a part of the page that was never loaded cannot be either.
        await tab.Page.RouteAsync(_ => true, route => route.AbortAsync());
        await tab.Page.EvaluateAsync($"location.hash = '#/sweeps/{id}/results'");
        await Expect(tab.Page.GetByText("does not answer")).ToHaveCountAsync(1);
        await tab.Page.UnrouteAllAsync();
        await Expect(tab.Page.Locator(".scroll tbody tr")).ToHaveCountAsync(5);

        foreach (var (part, there) in ((string, ILocator)[])[("results", tab.Page.Locator(".scroll tbody tr").First), ("executions/0/log", tab.Page.Locator(".log")), ("source", tab.Page.Locator("main pre"))])
        {
            await tab.GoAsync("/store");
            var asked = new TaskCompletionSource();
            await tab.Page.RouteAsync(url => url.Contains("/table?", StringComparison.Ordinal) || url.Contains("/logs?", StringComparison.Ordinal) || url.EndsWith("/spec", StringComparison.Ordinal), async route =>
            {
                await route.AbortAsync();
                asked.TrySetResult();
            });
            await tab.Page.EvaluateAsync($"location.hash = '#/sweeps/{id}/{part}'");
            await asked.Task;
            await tab.Page.UnrouteAllAsync();
            await Expect(there).ToBeVisibleAsync();
        }
    }

    [Fact]
    public async Task A_long_table_has_few_rows_in_the_document()
    {
        await using var bench = await WebBench.StartAsync();
        var id = await bench.RunAsync(WebBench.Sweep("long", shares: $"[{string.Join(", ", Enumerable.Range(10, 50).Select(i => $"0.{i}"))}]", bits: "[2, 3, 4, 5, 6, 7, 8]", epochs: 1));
        await using var tab = await browser.OpenAsync(bench.Address);
        await tab.GoAsync($"/sweeps/{id}/results");
        await Expect(tab.Page.GetByRole(AriaRole.Status).Filter(new() { HasText = "351 results" })).ToBeVisibleAsync();
        Assert.InRange(await tab.Page.Locator(".scroll tbody tr").CountAsync(), 10, 80);
        await tab.Page.Locator(".scroll").EvaluateAsync("box => box.scrollTop = box.scrollHeight");
        await Expect(tab.Page.Locator(".scroll tbody tr[aria-rowindex='352']")).ToBeVisibleAsync();
        Assert.InRange(await tab.Page.Locator(".scroll tbody tr").CountAsync(), 10, 80);

        // The flow of more executions than come with a sweep is read level by level.
        await tab.GoAsync($"/sweeps/{id}");
        await Expect(tab.Page.Locator(".box").First).ToContainTextAsync("shape");
        await Expect(tab.Page.Locator(".below .box")).ToHaveCountAsync(29);
        Assert.Empty(tab.Wrong);
    }
}
