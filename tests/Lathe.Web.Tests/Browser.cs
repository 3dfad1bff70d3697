using Lathe.Testing;
using Microsoft.Playwright;

namespace Lathe.Web.Tests;

/// <summary>Debian's chromium, one for all tests.</summary>
public sealed class Browser : IAsyncLifetime
{
    private const string Chromium = "/usr/bin/chromium";

    private const int Patience = 60_000;

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    /// <summary>Where screenshots are kept.</summary>
    public static string Pictures { get; } = Directory.CreateDirectory(Path.Combine(Checkout.Root, "artifacts", "web")).FullName;

    public async ValueTask InitializeAsync()
    {
        if (!File.Exists(Chromium)) return;
        // The machine may have much else to do.
        Assertions.SetDefaultExpectTimeout(Patience);
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = Chromium, Args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"] });
    }

    /// <summary>A tab that has nothing in common with others, and what goes wrong in it.</summary>
    public async Task<Tab> OpenAsync(string address, int width = 1280, int height = 900, ColorScheme colours = ColorScheme.Light)
    {
        Assert.SkipUnless(_browser is not null, "chromium is not installed");
        var context = await _browser.NewContextAsync(new BrowserNewContextOptions
        {
            BaseURL = address, ColorScheme = colours, ViewportSize = new ViewportSize { Width = width, Height = height }, ReducedMotion = ReducedMotion.Reduce, Locale = "en-GB",
        });
        context.SetDefaultTimeout(Patience);
        return new Tab(context, await context.NewPageAsync(), address);
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null) await _browser.DisposeAsync();
        _playwright?.Dispose();
    }
}

/// <summary>An open tab.</summary>
public sealed class Tab : IAsyncDisposable
{
    private readonly IBrowserContext _context;
    private readonly List<string> _wrong = [];

    internal Tab(IBrowserContext context, IPage page, string address)
    {
        (_context, Page) = (context, page);
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning") _wrong.Add(message.Text);
        };
        page.PageError += (_, error) => _wrong.Add(error);
        page.Request += (_, request) =>
        {
            if (!request.Url.StartsWith(address, StringComparison.Ordinal) && !request.Url.StartsWith("data:", StringComparison.Ordinal) && !request.Url.StartsWith("blob:", StringComparison.Ordinal)) _wrong.Add($"asked for {request.Url}");
        };
    }

    public IPage Page { get; }

    /// <summary>Errors of scripts, what the content security policy refused, and requests to others than the coordinator.</summary>
    public IReadOnlyList<string> Wrong => _wrong;

    /// <summary>Shows a page by its address after #.</summary>
    public async Task GoAsync(string place)
    {
        await Page.GotoAsync($"/ui/#{place}");
        await Page.Locator("main h1").First.WaitForAsync();
    }

    public async ValueTask DisposeAsync() => await _context.DisposeAsync();
}
