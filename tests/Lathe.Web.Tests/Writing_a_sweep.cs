using System.Text.RegularExpressions;
using Lathe.Testing;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Lathe.Web.Tests;

/// <summary>The form and the sweep file, each of which follows the other.</summary>
public sealed class Writing_a_sweep(Browser browser) : IClassFixture<Browser>
{
    [Fact]
    public async Task A_sweep_is_written_checked_planned_started_and_repeated_with_changes()
    {
        await using var bench = await WebBench.StartAsync();
        await using var tab = await browser.OpenAsync(bench.Address, height: 1400);
        await tab.GoAsync("/");
        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "New sweep" }).First.ClickAsync();
        var file = tab.Page.GetByLabel("Sweep file, YAML");
        var start = tab.Page.GetByRole(AriaRole.Button, new() { Name = "Start the sweep" });
        await Expect(file).ToHaveValueAsync(new Regex("shape"));

        // From the form into the file.
        await tab.Page.GetByLabel("Name", new() { Exact = true }).FillAsync("written");
        await tab.Page.GetByLabel("Model").FillAsync("net");
        await tab.Page.GetByLabel("Data set").FillAsync("mnist");
        await tab.Page.GetByLabel("Add a stage").SelectOptionAsync("cut");
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Add", Exact = true }).ClickAsync();
        await tab.Page.GetByLabel("share").FillAsync("0.5, 3");
        await Expect(file).ToHaveValueAsync(new Regex(@"share: \[ ?0\.5, 3 ?\]|share:\s+- 0\.5\s+- 3"));
        await Expect(tab.Page.Locator(".stage .problem")).ToContainTextAsync("is 3, expected");
        await Expect(tab.Page.Locator(".problems li")).ToContainTextAsync("2. Cut, share, value 2: ");
        await Expect(tab.Page.Locator(".problems li")).ToHaveCountAsync(1);
        await Expect(start).ToBeDisabledAsync();
        await tab.Page.GetByLabel("share").FillAsync("0.5, 0.25");
        await Expect(start).ToBeEnabledAsync();
        await Expect(tab.Page.GetByRole(AriaRole.Status).Filter(new() { HasText = "5 executions" })).ToBeVisibleAsync();

        await tab.Page.GetByLabel("Device").SelectOptionAsync("cuda");
        await Expect(tab.Page.Locator("main")).ToContainTextAsync("no worker of shape that is up computes on it (they have cpu)");
        await tab.Page.GetByLabel("Device").SelectOptionAsync("");

        // From the file into the form; a problem is at its line.
        await file.FillAsync("name: written\nmodel: net\ndataset: mnist\nstages:\n  - shape: { epochs: none }\n  - judge\n");
        await Expect(tab.Page.Locator(".problems li")).ToContainTextAsync("line 5, column 14 1. Shape, epochs: ");
        await Expect(tab.Page.Locator("main .locked")).ToContainTextAsync("The file is not valid");
        await Expect(tab.Page.GetByLabel("Name", new() { Exact = true })).ToBeDisabledAsync();
        await file.FillAsync("name: written\nmodel: net\ndataset: mnist\nstages:\n  - shape: { epochs: 2 }\n  - judge\n");
        await Expect(tab.Page.GetByLabel("epochs")).ToHaveValueAsync("2");
        await Expect(tab.Page.GetByRole(AriaRole.Status).Filter(new() { HasText = "2 executions" })).ToBeVisibleAsync();
        await start.ClickAsync();
        await Expect(tab.Page.Locator("main h1")).ToHaveTextAsync("written");
        await Expect(tab.Page.Locator("main .head .state")).ToHaveTextAsync("succeeded");

        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "Repeat with changes" }).ClickAsync();
        await Expect(tab.Page.GetByRole(AriaRole.Status).Filter(new() { HasText = "2 of them cached" })).ToBeVisibleAsync();
        await tab.Page.GetByLabel("epochs").FillAsync("2, 3");
        await Expect(tab.Page.GetByRole(AriaRole.Status).Filter(new() { HasText = "4 executions, 2 of them cached" })).ToBeVisibleAsync();
        await start.ClickAsync();
        await Expect(tab.Page.Locator(".box")).ToHaveCountAsync(2);
        await Expect(tab.Page.Locator(".box.s-cached")).ToHaveCountAsync(1);
        await Eventually.TrueAsync(async () => (await bench.Client.GetStringAsync(new Uri("/sweeps", UriKind.Relative))).Contains("\"written-2\"", StringComparison.Ordinal), "the repeated sweep has a name of its own");
        Assert.Empty(tab.Wrong);
    }

    [Fact]
    public async Task Lines_marks_and_text_of_a_long_file_scroll_together()
    {
        await using var bench = await WebBench.StartAsync();
        await using var tab = await browser.OpenAsync(bench.Address, width: 1440);
        await tab.GoAsync("/new");
        var file = tab.Page.GetByLabel("Sweep file, YAML");
        await Expect(file).ToHaveValueAsync(new Regex("judge"));
        await file.FillAsync($"name: \"🦊 lang\"\nmodel: net\ndataset: mnist\nstages:\n  - shape: {{ epochs: 2 }}\n{string.Concat(Enumerable.Repeat("# a word\n", 60))}  - judge: {{ epoch: 3 }}\n");
        await Expect(tab.Page.Locator(".problems li")).ToContainTextAsync("line 66, column 14 2. Judge, epoch: is an unknown");
        Assert.Equal("0 0", await tab.Page.EvaluateAsync<string>(Apart));
        await file.EvaluateAsync("area => area.scrollTop = area.scrollHeight");
        await Expect(tab.Page.Locator(".editor .lines b")).ToBeInViewportAsync();
        Assert.Equal("0 0", await tab.Page.EvaluateAsync<string>(Apart));
        await file.EvaluateAsync("area => area.scrollTop = 0");
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "line 66" }).ClickAsync();
        await Expect(tab.Page.Locator(".editor .lines b")).ToBeInViewportAsync();
        await tab.Page.ScreenshotAsync(new() { Path = Path.Combine(Browser.Pictures, "editor-long.png") });

        // From the form the name is written as it was typed.
        await file.FillAsync("name: \"🦊 lang\"\nmodel: net\ndataset: mnist\nstages:\n  - shape\n  - judge\n");
        await Expect(tab.Page.GetByLabel("Name", new() { Exact = true })).ToHaveValueAsync("🦊 lang");
        await tab.Page.GetByLabel("Seed").FillAsync("2");
        await Expect(file).ToHaveValueAsync(new Regex("name: \"🦊 lang\""));

        // Who is refused stays at the button.
        await tab.Page.RouteAsync("**/sweeps", route => route.FulfillAsync(new() { Status = 422, ContentType = "application/problem+json", Body = "{\"detail\": \"Not now.\"}" }));
        var start = tab.Page.GetByRole(AriaRole.Button, new() { Name = "Start the sweep" });
        await Expect(start).ToBeEnabledAsync();
        await start.PressAsync("Enter");
        await Expect(tab.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("Not now.");
        await Expect(start).ToBeFocusedAsync();
    }

    // How far the numbers are from their lines, at the top and in height.
    private const string Apart = """
        () => {
          const area = document.querySelector('.editor textarea'), lines = document.querySelector('.editor .lines');
          return `${Math.round(lines.scrollTop - area.scrollTop)} ${Math.round(lines.getBoundingClientRect().height - area.getBoundingClientRect().height)}`;
        }
        """;

    [Fact]
    public async Task Who_types_key_by_key_keeps_the_focus_and_loses_nothing()
    {
        await using var bench = await WebBench.StartAsync();
        await using var tab = await browser.OpenAsync(bench.Address, height: 1400);
        await tab.GoAsync("/new");
        var file = tab.Page.GetByLabel("Sweep file, YAML");
        await Expect(file).ToHaveValueAsync(new Regex("judge"));

        // What makes networks is added before what measures them, and the focus goes to it.
        await tab.Page.GetByLabel("Add a stage").SelectOptionAsync("cut");
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Add", Exact = true }).PressAsync("Enter");
        await Expect(tab.Page.Locator(".stage h3").Nth(1)).ToHaveTextAsync("2. Cut");
        await Expect(tab.Page.Locator(".stage h3").Nth(1)).ToBeFocusedAsync();
        await Expect(file).ToHaveValueAsync(new Regex(@"shape\s+- cut\s+- judge"));

        // A field is where it was after the first character.
        var share = tab.Page.GetByLabel("share");
        await share.PressSequentiallyAsync("[0.5, 0.25]");
        await Expect(share).ToHaveValueAsync("[0.5, 0.25]");
        await Expect(share).ToBeFocusedAsync();
        await Expect(file).ToHaveValueAsync(new Regex(@"share: \[0\.5, 0\.25\]"));
        await Expect(tab.Page.Locator(".unmeasured")).ToHaveCountAsync(0);

        var up = tab.Page.GetByLabel("Move judge up");
        await up.PressAsync("Enter");
        await Expect(tab.Page.Locator(".stage h3").Nth(1)).ToHaveTextAsync("2. Judge");
        await Expect(up).ToBeFocusedAsync();
        await Expect(tab.Page.Locator(".unmeasured")).ToContainTextAsync("Add judge at the end");
        await tab.Page.GetByLabel("Remove judge").PressAsync("Enter");
        await Expect(tab.Page.GetByLabel("Remove cut")).ToBeFocusedAsync();

        // What is no number is said at its field, and stays there.
        var seed = tab.Page.GetByLabel("Seed");
        await seed.PressAsync("End");
        await seed.PressSequentiallyAsync(", two");
        await Expect(seed).ToHaveAttributeAsync("aria-invalid", "true");
        await Expect(tab.Page.Locator(".notes .problem")).ToContainTextAsync("\"two\" is no whole number");
        await Expect(tab.Page.GetByRole(AriaRole.Button, new() { Name = "Start the sweep" })).ToBeDisabledAsync();

        // Nobody leaves by accident.
        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "Workers", Exact = true }).ClickAsync();
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Stay here" }).ClickAsync();
        await Expect(seed).ToHaveValueAsync("1, two");
        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "Workers", Exact = true }).ClickAsync();
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Leave", Exact = true }).ClickAsync();
        await Expect(tab.Page.Locator("main h1")).ToHaveTextAsync("Workers and queues");
        Assert.Empty(tab.Wrong);
    }
}
