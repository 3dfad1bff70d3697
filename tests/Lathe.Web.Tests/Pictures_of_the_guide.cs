using System.Text.RegularExpressions;
using Lathe.EndToEnd.Tests;
using Lathe.Testing;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Lathe.Web.Tests;

/// <summary>Takes the pictures of docs/images anew, of a short sweep with the real stages: eng/web-pictures runs it. It takes minutes, so it runs only when it is asked for.</summary>
public sealed partial class Pictures_of_the_guide(Browser browser) : IClassFixture<Browser>
{
    private const string Sweep = """
        name: fashion-small
        model: lenet5
        dataset: fashion-mnist
        stages:
          - train: { epochs: 6 }
          - evaluate
          - prune: { multiplications: [0.5, 0.25, 0.1], epochs: 6 }
          - evaluate
          - quantize: { bits: [2, 3, 4], epochs: 4, activations: 8 }
          - evaluate
        """;

    // A picture in a document has to be read at half its size.
    private const int Width = 1120;

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(30);

    [Fact(Explicit = true)]
    public async Task Are_taken_anew()
    {
        using var scene = new Scene();
        SmallFashion.Write(Path.Combine(scene.Root, "data"), train: 8192, test: 2000);
        await using var program = LatheProcess.Start("lathe", ["ui"], scene.Environment);
        var address = Address().Match(await program.WaitForLineAsync(line => Address().IsMatch(line), Limit)).Value;
        await using var tab = await browser.OpenAsync(address, Width, 1000);
        tab.Page.SetDefaultTimeout((float)Limit.TotalMilliseconds);
        var patience = new LocatorAssertionsToBeVisibleOptions { Timeout = (float)Limit.TotalMilliseconds };
        await tab.GoAsync("/new");
        await Expect(tab.Page.GetByLabel("Sweep file, YAML")).ToHaveValueAsync(new Regex("stages"));
        await tab.Page.GetByLabel("Sweep file, YAML").FillAsync(Sweep);
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Start the sweep" }).ClickAsync();

        // Some prunings run, and have come to their third epoch.
        await Expect(tab.Page.Locator(".box.s-running", new() { HasTextRegex = new Regex(@"^prune.*[3-5]\.\d/6") }).First).ToBeVisibleAsync(patience);
        await KeepAsync("web-sweep", 1130);
        await Expect(tab.Page.Locator("main .head .state", new() { HasText = "succeeded" })).ToBeVisibleAsync(patience);

        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "Results" }).ClickAsync();
        var rows = tab.Page.Locator(".scroll tbody tr");
        await Expect(rows).ToHaveCountAsync(13);
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "top-1 %", Exact = true }).ClickAsync();
        await KeepAsync("web-results", 1130);

        foreach (var words in (string[])["multiplications 0.5, quantize bits 4", "multiplications 0.25, quantize bits 3", "multiplications 0.1, quantize bits 2"])
            await tab.Page.GetByRole(AriaRole.Checkbox, new() { NameRegex = new Regex(Regex.Escape(words)) }).CheckAsync();
        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "Compare 3" }).ClickAsync();
        await Expect(tab.Page.Locator("#figures")).ToBeVisibleAsync();
        await KeepAsync("web-compare", 1130);
        Assert.Empty(tab.Wrong);

        async Task KeepAsync(string name, int height)
        {
            await tab.Page.SetViewportSizeAsync(Width, height);
            await tab.Page.Mouse.MoveAsync(0, 0);
            await Expect(tab.Page.Locator(".loading, .chart > div:not(:has(canvas))")).ToHaveCountAsync(0);
            await tab.Page.EvaluateAsync("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))");
            await tab.Page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(Checkout.Root, "docs", "images", name + ".png") });
        }
    }

    [GeneratedRegex(@"http://127\.0\.0\.1:\d+")]
    private static partial Regex Address();
}
