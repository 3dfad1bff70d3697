using System.Text.RegularExpressions;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Lathe.Web.Tests;

/// <summary>A sweep as a person sees it who opens the page while it runs.</summary>
public sealed class Watching_a_sweep(Browser browser) : IClassFixture<Browser>
{
    [Fact]
    public async Task Its_state_and_curves_follow_what_happens_without_a_reload()
    {
        await using var bench = await WebBench.StartAsync();
        var id = await bench.SubmitAsync(WebBench.Sweep("live", "held-live"));
        await using var tab = await browser.OpenAsync(bench.Address);

        await tab.GoAsync("/");
        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "live" }).ClickAsync();
        var box = tab.Page.Locator(".box").First;
        await Expect(box).ToContainTextAsync("shaping 2.0/3");
        await Expect(tab.Page.GetByRole(AriaRole.Img, new() { Name = "Training loss by epoch" })).ToHaveCountAsync(1);
        await Expect(tab.Page.Locator("main .head .state")).ToHaveTextAsync("running");

        ShapeStage.Release("held-live");
        await Expect(tab.Page.Locator("main .head .state")).ToHaveTextAsync("succeeded");
        await Expect(tab.Page.Locator(".box.s-completed")).ToHaveCountAsync(5);
        await Expect(box).ToContainTextAsync("hits %");
        Assert.NotNull((await bench.StatusAsync(id)).FinishedAt);
        Assert.Empty(tab.Wrong);
    }

    [Fact]
    public async Task Epochs_come_with_the_stream_and_nobody_asks_for_them()
    {
        await using var bench = await WebBench.StartAsync();
        var id = await bench.SubmitAsync(WebBench.Sweep("steps", "step-live", epochs: 4));
        await using var tab = await browser.OpenAsync(bench.Address);
        await tab.GoAsync($"/sweeps/{id}");
        var box = tab.Page.Locator(".box").First;
        await Expect(box).ToContainTextAsync("shaping 1.0/4");

        // Whoever asks from now on is told that nothing has changed.
        var asked = 0;
        await tab.Page.RouteAsync(url => Regex.IsMatch(url, @"/sweeps/[^/]+\?limit="), route =>
        {
            Interlocked.Increment(ref asked);
            return route.FulfillAsync(new() { Status = 304 });
        });
        ShapeStage.Step("step-live");
        await Expect(box).ToContainTextAsync("shaping 2.0/4");
        ShapeStage.Step("step-live");
        await Expect(box).ToContainTextAsync("shaping 3.0/4");
        Assert.InRange(asked, 0, 2);

        // An execution's own page, and the list of executions, hear the same.
        await tab.Page.UnrouteAllAsync();
        await tab.GoAsync($"/sweeps/{id}/executions/0");
        await Expect(tab.Page.Locator("main .card").First).ToContainTextAsync("epoch 3.0 of 4");
        ShapeStage.Step("step-live");
        await Expect(tab.Page.Locator("main .card").First).ToContainTextAsync("epoch 4.0 of 4");
        ShapeStage.Step("step-live");
        await Expect(tab.Page.Locator("main .head .state")).ToHaveTextAsync("done");
        Assert.Empty(tab.Wrong);
    }

    [Fact]
    public async Task What_waits_does_not_seem_to_run()
    {
        await using var bench = await WebBench.StartAsync();
        // As many as compute at one time, and another sweep behind them.
        await bench.SubmitAsync(WebBench.Sweep("in-front", "held-front").Replace("\"seeds\": [1]", "\"seeds\": [1, 2, 3, 4, 5, 6, 7, 8]", StringComparison.Ordinal));
        await using var tab = await browser.OpenAsync(bench.Address);
        await tab.GoAsync("/");
        await Expect(tab.Page.Locator(".sweep", new() { HasText = "in-front" })).ToContainTextAsync("4 running");
        var id = await bench.SubmitAsync(WebBench.Sweep("behind", "held-behind"));
        var line = tab.Page.Locator(".sweep", new() { HasText = "behind" });
        await Expect(line.Locator(".state")).ToHaveTextAsync(new Regex("^running, waits for (workers|its turn)$"));
        await Expect(line.Locator(".state")).ToHaveClassAsync(new Regex("s-queued"));
        await tab.GoAsync($"/sweeps/{id}");
        await Expect(tab.Page.Locator("main .head .state")).ToHaveTextAsync(new Regex("^running, (waits for workers|waiting for CPU)$"));

        ShapeStage.Release("held-front");
        ShapeStage.Release("held-behind");
        await Expect(tab.Page.Locator("main .head .state")).ToHaveTextAsync("succeeded");
        Assert.Empty(tab.Wrong);
    }

    [Fact]
    public async Task Trials_of_a_search_say_what_was_chosen_and_which_were_stopped_early()
    {
        await using var bench = await WebBench.StartAsync();
        var id = await bench.SubmitAsync(WebBench.Search("small", "held-search"));
        await using var tab = await browser.OpenAsync(bench.Address);
        await tab.GoAsync($"/sweeps/{id}");
        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "Trials" }).ClickAsync();
        var rows = tab.Page.GetByRole(AriaRole.Region, new() { Name = "Trials" }).Locator("tbody tr");
        var columns = tab.Page.GetByRole(AriaRole.Region, new() { Name = "Trials" }).Locator("thead th");
        // After its first epoch a trial is stopped, unless it is among the best third, and makes room for others.
        await Expect(rows).ToHaveCountAsync(6);
        await Expect(rows.Filter(new() { HasText = "stopped early" }).First).ToBeVisibleAsync();
        await Expect(columns.Filter(new() { HasText = "shape rate" })).ToHaveCountAsync(1);
        await Expect(columns.Filter(new() { HasText = "epochs" })).ToHaveCountAsync(1);

        ShapeStage.Release("held-search");
        await Expect(tab.Page.Locator("main .head .state")).ToHaveTextAsync("succeeded");
        await Expect(rows.Filter(new() { HasText = "under way" })).ToHaveCountAsync(0);
        var counts = (await bench.StatusAsync(id)).Search!.Counts;
        await Expect(rows.Filter(new() { HasText = "stopped early" })).ToHaveCountAsync(counts["stopped"]);
        var done = rows.Filter(new() { Has = tab.Page.Locator(".s-completed") });
        await Expect(done).ToHaveCountAsync(counts["done"]);
        await Expect(columns.Filter(new() { HasText = "KiB" })).ToHaveCountAsync(1);
        await Expect(tab.Page.Locator("main > p").First).ToHaveTextAsync(new Regex($"Search by sobol, 6 trials: {counts["done"]} done, {counts["stopped"]} stopped early"));

        // What a search is for is a column of the results, whatever its stage thinks of it.
        await tab.GoAsync($"/sweeps/{id}/results");
        await Expect(tab.Page.Locator(".scroll thead th", new() { HasText = "held-out hits %" })).ToHaveCountAsync(1);
        await Expect(tab.Page.Locator(".scroll thead th", new() { HasText = "KiB" })).ToHaveCountAsync(1);
        await Expect(tab.Page.GetByLabel("Upwards").Locator("option", new() { HasText = "held-out hits" })).ToHaveCountAsync(1);
        await tab.GoAsync($"/sweeps/{id}/trials");

        // A trial leads to its last execution, and one that was stopped goes on from there.
        await rows.Filter(new() { HasText = "stopped early" }).First.GetByRole(AriaRole.Link).First.ClickAsync();
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Resume", Exact = true }).Or(tab.Page.GetByRole(AriaRole.Button, new() { Name = "Go on", Exact = true })).ClickAsync();
        await Expect(tab.Page.Locator("main .head .state")).ToHaveTextAsync("done");
        await tab.GoAsync($"/sweeps/{id}/trials");
        await Expect(done).ToHaveCountAsync(counts["done"] + 1);
        Assert.Empty(tab.Wrong);
    }
}
