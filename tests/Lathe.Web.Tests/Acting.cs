using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
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

        // The focus goes to what takes the place of a button.
        await PressAsync(tab, "Pause");
        await Expect(state).ToHaveTextAsync("paused");
        await Expect(tab.Page.GetByRole(AriaRole.Button, new() { Name = "Resume", Exact = true })).ToBeFocusedAsync();
        await PressAsync(tab, "Resume");
        await Expect(state).ToHaveTextAsync("running");
        await Expect(tab.Page.GetByRole(AriaRole.Button, new() { Name = "Pause", Exact = true })).ToBeFocusedAsync();

        await PressAsync(tab, "Cancel");
        await Expect(tab.Page.GetByRole(AriaRole.Dialog)).ToContainTextAsync("will not run");
        await tab.Page.Keyboard.PressAsync("Escape");
        await Expect(tab.Page.GetByRole(AriaRole.Dialog)).ToHaveCountAsync(0);
        Assert.Equal(SweepState.Running, (await bench.StatusAsync(id)).State);
        await PressAsync(tab, "Cancel");
        await PressAsync(tab, "Cancel the sweep");
        await Expect(state).ToHaveTextAsync("cancelled");
        Assert.Equal(SweepState.Cancelled, (await bench.StatusAsync(id)).State);
        await Expect(tab.Page.Locator("[role=toolbar] :focus:not(.bad)")).ToHaveCountAsync(1);

        await PressAsync(tab, "Go on");
        await Expect(state).ToHaveTextAsync("running");
        await Expect(tab.Page.Locator("[role=toolbar] :focus")).ToHaveCountAsync(1);
        ShapeStage.Release("held-ordered");
        await Expect(state).ToHaveTextAsync("succeeded");

        // What is pinned cannot be deleted, and is not offered to be.
        await PressAsync(tab, "Pin");
        await Expect(tab.Page.Locator("main .head")).ToContainTextAsync("pinned, so it cannot be deleted: press Unpin first");
        await Expect(tab.Page.GetByRole(AriaRole.Button, new() { Name = "Delete", Exact = true })).ToHaveCountAsync(0);
        await PressAsync(tab, "Unpin");
        await Expect(tab.Page.GetByRole(AriaRole.Button, new() { Name = "Delete", Exact = true })).ToHaveCountAsync(1);

        // An address that leads nowhere says so.
        await tab.GoAsync("/blah");
        await Expect(tab.Page.Locator("main h1")).ToHaveTextAsync("No such page");
        await tab.GoAsync($"/sweeps/{id}/nonsense");
        await Expect(tab.Page.Locator("main")).ToContainTextAsync("A sweep has no part nonsense");
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
        await tab.Page.GetByLabel("share").FillAsync("abc");
        await Expect(tab.Page.Locator(".mend .problem")).ToContainTextAsync("share is abc, expected a number");
        await Expect(tab.Page.GetByRole(AriaRole.Button, new() { Name = "Run again with these" })).ToBeDisabledAsync();
        await tab.Page.GetByLabel("share").FillAsync("2");
        await PressAsync(tab, "Run again with these");
        await Expect(tab.Page.Locator(".mend .problem")).ToContainTextAsync("share is 2, expected");
        await tab.Page.GetByLabel("share").FillAsync("0.75");
        await PressAsync(tab, "Run again with these");
        await Expect(tab.Page.Locator("main .head .state")).ToHaveTextAsync("done");
        await Eventually.TrueAsync(async () => (await bench.StatusAsync(id)).State == SweepState.Succeeded, "the sweep goes on to its end");
        await Expect(tab.Page.Locator("[role=toolbar] :focus")).ToHaveCountAsync(1);
        // The file repeats what ran, not what failed.
        await tab.GoAsync($"/sweeps/{id}/source");
        await Expect(tab.Page.Locator("main pre")).ToContainTextAsync("share: [0.5, 0.75]");

        // While the coordinator is away, that is said once, and no longer than it is true.
        await tab.GoAsync($"/sweeps/{id}");
        await tab.Page.RouteAsync(url => !url.Contains("/ui/", StringComparison.Ordinal), route => route.AbortAsync());
        await PressAsync(tab, "Pin");
        await Expect(tab.Page.Locator(".message.bad")).ToContainTextAsync("That was not done");
        await PressAsync(tab, "Pin");
        await Expect(tab.Page.Locator(".message.bad")).ToHaveCountAsync(1);
        await tab.GoAsync("/workers");
        await Expect(tab.Page.Locator("main")).ToContainTextAsync("Not known until the coordinator answers");
        await Expect(tab.Page.Locator("main")).Not.ToContainTextAsync("Loading");
        // What went wrong on a page is left there.
        await Expect(tab.Page.GetByText("does not answer")).ToHaveCountAsync(1);
        await tab.Page.UnrouteAllAsync();
        await Expect(tab.Page.Locator("main")).ToContainTextAsync("waits for work");
        await Expect(tab.Page.GetByText("does not answer")).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task A_file_that_cannot_say_which_executions_were_mended_names_them()
    {
        await using var bench = await WebBench.StartAsync();
        var id = await bench.RunAsync(WebBench.Sweep("partly-mended", shares: "[0.5, 0.05]", bits: "[2, 4]"));
        var failed = (await bench.StatusAsync(id)).Executions.Where(e => e.State == ExecutionState.Failed).ToList();
        Assert.Equal(2, failed.Count);
        await RetryAsync(failed[0].Index, "0.75");
        var spec = await SpecAsync();
        Assert.Contains($"# cut: execution {failed[0].Index} ran with share 0.75, where this file has 0.05\n", spec.GetProperty("yaml").GetString());
        Assert.Contains("share: [0.5, 0.05]", spec.GetProperty("yaml").GetString());

        // When the other one has the same value, one file says it.
        await RetryAsync(failed[1].Index, "0.75");
        spec = await SpecAsync();
        Assert.Equal(0, spec.GetProperty("notes").GetArrayLength());
        Assert.Contains("share: [0.5, 0.75]", spec.GetProperty("yaml").GetString());

        async Task<JsonElement> SpecAsync() => await bench.Client.GetFromJsonAsync<JsonElement>(new Uri($"/sweeps/{id}/spec", UriKind.Relative));

        async Task RetryAsync(int index, string share)
        {
            using var order = new StringContent($"{{\"set\": {{\"cut\": {{\"share\": {share}}}}}}}", System.Text.Encoding.UTF8, "application/json");
            using var answer = await bench.Client.PostAsync(new Uri($"/sweeps/{id}/retry?execution={index}", UriKind.Relative), order);
            Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        }
    }

    [Fact]
    public async Task Several_sweeps_are_pinned_and_deleted_at_once()
    {
        await using var bench = await WebBench.StartAsync();
        foreach (var i in Enumerable.Range(0, 3)) await bench.RunAsync(WebBench.Sweep($"old-{i.ToString(CultureInfo.InvariantCulture)}", $"net{i.ToString(CultureInfo.InvariantCulture)}", epochs: 1));
        await using var tab = await browser.OpenAsync(bench.Address);
        await tab.GoAsync("/");

        // A row stays where it is when another one is chosen.
        var before = await tab.Page.GetByLabel("Choose old-1").BoundingBoxAsync();
        await tab.Page.GetByLabel("Choose old-0").CheckAsync();
        await Expect(tab.Page.GetByRole(AriaRole.Toolbar)).ToContainTextAsync("1 sweep chosen");
        Assert.Equal(before!.Y, (await tab.Page.GetByLabel("Choose old-1").BoundingBoxAsync())!.Y);
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
