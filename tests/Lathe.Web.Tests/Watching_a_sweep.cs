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
        await tab.Page.GetByRole(Microsoft.Playwright.AriaRole.Link, new() { Name = "live" }).ClickAsync();
        var box = tab.Page.Locator(".box").First;
        await Expect(box).ToContainTextAsync("shaping 2.0/3");
        await Expect(tab.Page.GetByRole(Microsoft.Playwright.AriaRole.Img, new() { Name = "Training loss by epoch" })).ToHaveCountAsync(1);
        await Expect(tab.Page.Locator("main .head .state")).ToHaveTextAsync("running");

        ShapeStage.Release("held-live");
        await Expect(tab.Page.Locator("main .head .state")).ToHaveTextAsync("succeeded");
        await Expect(tab.Page.Locator(".box.s-completed")).ToHaveCountAsync(5);
        await Expect(box).ToContainTextAsync("hits %");
        Assert.NotNull((await bench.StatusAsync(id)).FinishedAt);
        Assert.Empty(tab.Wrong);
    }
}
