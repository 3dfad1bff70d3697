using Deque.AxeCore.Playwright;
using Lathe.Coordinator;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Lathe.Web.Tests;

/// <summary>A coordinator that asks for keys.</summary>
public sealed class Logging_in(Browser browser) : IClassFixture<Browser>
{
    [Fact]
    public async Task The_key_is_entered_once_and_decides_what_is_offered()
    {
        await using var bench = await WebBench.StartAsync("http://0.0.0.0:0");
        var reader = (await bench.Services.GetRequiredService<ApiKeys>().CreateAsync("reader", ApiScope.Read)).Token;
        await using var tab = await browser.OpenAsync(bench.Address);
        await tab.GoAsync("/");

        var key = tab.Page.GetByLabel("API key");
        await Expect(key).ToBeVisibleAsync();
        Assert.Empty((await tab.Page.RunAxe()).Violations.Where(v => v.Impact is "serious" or "critical").Select(v => v.Help));
        await key.FillAsync("lathe_wrong_key");
        await tab.Page.Keyboard.PressAsync("Enter");
        await Expect(tab.Page.GetByRole(AriaRole.Alert)).ToBeVisibleAsync();
        await key.FillAsync(reader);
        await tab.Page.Keyboard.PressAsync("Enter");
        await Expect(tab.Page.Locator("main h1")).ToHaveTextAsync("Sweeps");
        await Expect(tab.Page.GetByRole(AriaRole.Link, new() { Name = "New sweep" })).ToHaveCountAsync(0);

        await tab.Page.ReloadAsync();
        await Expect(tab.Page.Locator("main h1")).ToHaveTextAsync("Sweeps");
        Assert.Equal("", await tab.Page.EvaluateAsync<string>("document.cookie + Object.values(localStorage).join()"));
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Log out" }).ClickAsync();
        await Expect(key).ToBeVisibleAsync();
    }
}
