using System.Globalization;
using Lathe.Contracts;
using Lathe.Testing;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Lathe.Web.Tests;

/// <summary>Orders from the page. Each that destroys something asks once.</summary>
public sealed class Acting(Browser browser) : IClassFixture<Browser>
{
    [Fact]
    public async Task A_sweep_is_paused_resumed_and_cancelled_with_the_keyboard_alone()
    {
        await using var bench = await WebBench.StartAsync();
        var id = await bench.SubmitAsync(WebBench.Sweep("ordered", "held-ordered"));
        await using var tab = await browser.OpenAsync(bench.Address);
        await tab.GoAsync($"/sweeps/{id}");
        var state = tab.Page.Locator("main .head .state");
        await Expect(state).ToHaveTextAsync("running");

        await PressAsync(tab, "Pause");
        await Expect(state).ToHaveTextAsync("paused");
        await PressAsync(tab, "Resume");
        await Expect(state).ToHaveTextAsync("running");

        await PressAsync(tab, "Cancel");
        await Expect(tab.Page.GetByRole(AriaRole.Dialog)).ToContainTextAsync("will not run");
        await tab.Page.Keyboard.PressAsync("Escape");
        await Expect(tab.Page.GetByRole(AriaRole.Dialog)).ToHaveCountAsync(0);
        Assert.Equal(SweepState.Running, (await bench.StatusAsync(id)).State);
        await PressAsync(tab, "Cancel");
        await PressAsync(tab, "Cancel the sweep");
        await Expect(state).ToHaveTextAsync("cancelled");
        Assert.Equal(SweepState.Cancelled, (await bench.StatusAsync(id)).State);

        await PressAsync(tab, "Go on");
        await Expect(state).ToHaveTextAsync("running");
        ShapeStage.Release("held-ordered");
        await Expect(state).ToHaveTextAsync("succeeded");
        Assert.Empty(tab.Wrong);
    }

    [Fact]
    public async Task What_failed_is_mended_with_other_parameters_and_goes_on()
    {
        await using var bench = await WebBench.StartAsync();
        var id = await bench.RunAsync(WebBench.Sweep("broken", shares: "[0.5, 0.05]", bits: "4"));
        await using var tab = await browser.OpenAsync(bench.Address);
        await tab.GoAsync($"/sweeps/{id}");
        await Expect(tab.Page.Locator("main .head .state")).ToHaveTextAsync("failed");
        // With the same parameters it fails again.
        await tab.GoAsync($"/sweeps/{id}/executions?state=failed");
        await tab.Page.GetByLabel("Choose all of this page").CheckAsync();
        await PressAsync(tab, "Retry");
        await Expect(tab.Page.Locator(".message")).ToContainTextAsync("retry: 1 execution.");
        await Eventually.TrueAsync(async () => (await bench.Client.GetStringAsync(new Uri($"/sweeps/{id}/executions?state=failed", UriKind.Relative))).Contains("leaves nothing", StringComparison.Ordinal), "it has failed again");
        await tab.GoAsync($"/sweeps/{id}");
        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "Show it" }).ClickAsync();
        await Expect(tab.Page.Locator("main .note")).ToContainTextAsync("leaves nothing of the network");

        await PressAsync(tab, "Mend and go on");
        await tab.Page.GetByLabel("share").FillAsync("2");
        await PressAsync(tab, "Run again with these");
        await Expect(tab.Page.Locator(".mend .problem")).ToContainTextAsync("share is 2, expected");
        await tab.Page.GetByLabel("share").FillAsync("0.75");
        await PressAsync(tab, "Run again with these");
        await Expect(tab.Page.Locator("main .head .state")).ToHaveTextAsync("done");
        await Eventually.TrueAsync(async () => (await bench.StatusAsync(id)).State == SweepState.Succeeded, "the sweep goes on to its end");

        // While the coordinator is away, that is said once, and no longer than it is true.
        await tab.GoAsync($"/sweeps/{id}");
        await tab.Page.RouteAsync(url => !url.Contains("/ui/", StringComparison.Ordinal), route => route.AbortAsync());
        await PressAsync(tab, "Pin");
        await Expect(tab.Page.Locator(".message.bad")).ToContainTextAsync("That was not done");
        await PressAsync(tab, "Pin");
        await tab.GoAsync("/workers");
        await Expect(tab.Page.Locator("main")).ToContainTextAsync("Not known until the coordinator answers");
        await Expect(tab.Page.Locator("main")).Not.ToContainTextAsync("Loading");
        await Expect(tab.Page.GetByText("does not answer")).ToHaveCountAsync(2);
        await tab.Page.UnrouteAllAsync();
        await Expect(tab.Page.Locator("main")).ToContainTextAsync("waits for work");
        await Expect(tab.Page.GetByText("does not answer")).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task Several_sweeps_are_pinned_and_deleted_at_once()
    {
        await using var bench = await WebBench.StartAsync();
        foreach (var i in Enumerable.Range(0, 3)) await bench.RunAsync(WebBench.Sweep($"old-{i.ToString(CultureInfo.InvariantCulture)}", $"net{i.ToString(CultureInfo.InvariantCulture)}", epochs: 1));
        await using var tab = await browser.OpenAsync(bench.Address);
        await tab.GoAsync("/");

        await tab.Page.GetByLabel("Choose old-0").CheckAsync();
        await PressAsync(tab, "Pin");
        await Expect(tab.Page.Locator(".sweep", new() { HasText = "old-0" })).ToContainTextAsync("pinned");
        await tab.Page.GetByLabel("Choose old-1").CheckAsync();
        await tab.Page.GetByLabel("Choose old-2").CheckAsync();
        await PressAsync(tab, "Delete");
        await PressAsync(tab, "Delete 2 sweeps");
        await Expect(tab.Page.Locator(".sweep")).ToHaveCountAsync(1);
        await tab.Page.GetByLabel("Search by name").FillAsync("nothing is called so");
        await Expect(tab.Page.Locator("main")).ToContainTextAsync("No sweep is like that");
        Assert.Empty(tab.Wrong);
    }

    /// <summary>Presses a button as somebody without a mouse does.</summary>
    private static async Task PressAsync(Tab tab, string name)
    {
        var button = tab.Page.GetByRole(AriaRole.Button, new() { Name = name, Exact = true });
        await button.FocusAsync();
        await tab.Page.Keyboard.PressAsync("Enter");
    }
}
