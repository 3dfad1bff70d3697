using System.Diagnostics;
using System.Text.RegularExpressions;
using Lathe.EndToEnd.Tests;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Lathe.Web.Tests;

/// <summary><c>lathe ui</c> with the real stages: train, prune and quantize LeNet-5, find the best network under 40 KiB, and take it away as C, all with the page alone.</summary>
public sealed partial class From_a_network_to_C(Browser browser) : IClassFixture<Browser>
{
    private const string Compiler = "/usr/bin/gcc";

    private const string Sweep = """
        name: fashion-small
        model: lenet5
        dataset: fashion-mnist
        stages:
          - train: { epochs: 2 }
          - evaluate
          - prune: { multiplications: [0.5, 0.25], epochs: 2 }
          - evaluate
          - quantize: { bits: [2, 4], epochs: 2, activations: 8 }
          - evaluate
        """;

    [Fact]
    public async Task A_person_gets_there_with_the_page_alone()
    {
        Assert.SkipUnless(File.Exists(Compiler), $"there is no {Compiler}: install the package gcc");
        using var scene = new Scene();
        await using var program = LatheProcess.Start("lathe", ["ui"], scene.Environment);
        var address = Address().Match(await program.WaitForLineAsync(line => Address().IsMatch(line), Scene.Limit)).Value;
        await using var tab = await browser.OpenAsync(address, height: 1400);
        tab.Page.SetDefaultTimeout((float)Scene.Limit.TotalMilliseconds);

        await tab.GoAsync("/new");
        await Expect(tab.Page.GetByLabel("Sweep file, YAML")).ToHaveValueAsync(new Regex("stages"));
        // What matters most of two dozen parameters stands open.
        await Expect(tab.Page.Locator(".stage").First.GetByLabel("epochs", new() { Exact = true })).ToBeVisibleAsync();
        await Expect(tab.Page.Locator(".stage").First.GetByLabel("momentum", new() { Exact = true })).ToBeHiddenAsync();
        await tab.Page.GetByLabel("Sweep file, YAML").FillAsync(Sweep);
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Start the sweep" }).ClickAsync();
        await tab.Page.GetByRole(AriaRole.Img, new() { Name = "Training loss by epoch" }).Locator("canvas").WaitForAsync();
        await KeepAsync("real-sweep-live");
        await Expect(tab.Page.Locator("main .head .state")).ToHaveTextAsync("succeeded", new() { Timeout = (float)Scene.Limit.TotalMilliseconds });

        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "Results" }).ClickAsync();
        await Expect(tab.Page.Locator(".scroll tbody tr")).ToHaveCountAsync(7);
        await KeepAsync("real-results");
        await tab.Page.GetByLabel("Only where").SelectOptionAsync("bytes");
        await tab.Page.GetByLabel("Value").FillAsync("40");
        await tab.Page.Keyboard.PressAsync("Enter");
        var row = tab.Page.Locator(".scroll tbody tr");
        await Expect(row.First).ToBeVisibleAsync();
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "top-1 %", Exact = true }).ClickAsync();
        await row.First.GetByRole(AriaRole.Link).ClickAsync();
        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "Files and export" }).ClickAsync();
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Export c", Exact = true }).ClickAsync();

        var ready = tab.Page.Locator(".note.good");
        await ready.WaitForAsync();
        var folder = Directory.CreateDirectory(Path.Combine(scene.Root, "taken")).FullName;
        var files = await ready.GetByRole(AriaRole.Link).AllAsync();
        foreach (var file in files)
        {
            var download = await tab.Page.RunAndWaitForDownloadAsync(() => file.ClickAsync());
            await download.SaveAsAsync(Path.Combine(folder, download.SuggestedFilename));
        }

        var source = Assert.Single(Directory.GetFiles(folder, "*.c"));
        Assert.Equal("", await CompileAsync(source));
        Assert.True(new FileInfo(source + ".o").Length > 1000);
        await tab.GoAsync(new Uri(tab.Page.Url).Fragment[1..].Replace("/files", "", StringComparison.Ordinal));
        await tab.Page.Locator("figure").First.WaitForAsync();
        await KeepAsync("real-execution");

        // The dense network cannot be had as C, and the page says why before anybody asks.
        await tab.GoAsync(Regex.Replace(new Uri(tab.Page.Url).Fragment[1..], @"executions/\d+.*", "executions/0/files"));
        await Expect(tab.Page.GetByRole(AriaRole.Button, new() { Name = "Export c", Exact = true })).ToBeDisabledAsync();
        await Expect(tab.Page.Locator("#no-c")).ToContainTextAsync("and its activations are floats");
        await tab.Page.Locator("#no-c").GetByRole(AriaRole.Link).ClickAsync();
        await Expect(tab.Page.GetByLabel("Sweep file, YAML")).ToHaveValueAsync(new Regex("activations: 8"));
        Assert.Empty(tab.Wrong);

        Task KeepAsync(string name) => tab.Page.ScreenshotAsync(new() { Path = Path.Combine(Browser.Pictures, name + ".png"), FullPage = true });
    }

    private static async Task<string> CompileAsync(string source)
    {
        using var compiler = Process.Start(new ProcessStartInfo(Compiler, ["-std=c99", "-Wall", "-Wextra", "-Werror", "-c", source, "-o", source + ".o"]) { RedirectStandardError = true })!;
        var said = await compiler.StandardError.ReadToEndAsync();
        await compiler.WaitForExitAsync();
        return said;
    }

    [GeneratedRegex(@"http://127\.0\.0\.1:\d+")]
    private static partial Regex Address();
}
