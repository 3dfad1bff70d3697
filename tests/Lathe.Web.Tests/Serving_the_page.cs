using System.Net;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Lathe.Reports.Drawings;
using Lathe.Reports.Pictures;
using Lathe.Testing;

namespace Lathe.Web.Tests;

/// <summary>The page's files as a browser gets them.</summary>
public sealed partial class Serving_the_page
{
    private static readonly string Root = Path.Combine(Checkout.Root, "web", "wwwroot");

    [Fact]
    public async Task The_document_is_always_asked_for_and_its_parts_are_kept_for_ever()
    {
        await using var bench = await WebBench.StartAsync();

        using var root = await bench.Client.GetAsync(new Uri("/", UriKind.Relative));
        Assert.Equal((HttpStatusCode.Redirect, "ui/"), (root.StatusCode, root.Headers.Location?.ToString()));
        using var page = await bench.Client.GetAsync(new Uri("/ui/", UriKind.Relative));
        Assert.Equal("no-cache", page.Headers.CacheControl?.ToString());
        var folder = BaseFolder().Match(await page.Content.ReadAsStringAsync()).Groups[1].Value;
        Assert.Matches("^[0-9a-f]{16}/$", folder);

        using var script = await bench.Client.GetAsync(new Uri($"/ui/{folder}app.js", UriKind.Relative));
        Assert.Equal("text/javascript", script.Content.Headers.ContentType?.MediaType);
        Assert.Contains("immutable", script.Headers.CacheControl?.ToString());
        Assert.Equal(await File.ReadAllTextAsync(Path.Combine(Root, "app.js")), await script.Content.ReadAsStringAsync());
        foreach (var missing in (string[])[$"/ui/{folder}missing.js", "/ui/0123456789abcdef/app.js", $"/ui/{folder}../WebPage.cs"])
            Assert.Equal(HttpStatusCode.NotFound, (await bench.Client.GetAsync(new Uri(missing, UriKind.Relative))).StatusCode);
    }

    [Theory]
    [InlineData("br")]
    [InlineData("gzip")]
    public async Task Files_are_compressed_as_the_browser_likes(string encoding)
    {
        await using var bench = await WebBench.StartAsync();
        var folder = BaseFolder().Match(await bench.Client.GetStringAsync(new Uri("/ui/", UriKind.Relative))).Groups[1].Value;

        using var request = new HttpRequestMessage(HttpMethod.Get, $"/ui/{folder}vendor/echarts.js") { Headers = { { "Accept-Encoding", encoding } } };
        using var answer = await bench.Client.SendAsync(request);
        Assert.Equal(encoding, Assert.Single(answer.Content.Headers.ContentEncoding));
        Assert.InRange(answer.Content.Headers.ContentLength ?? 0, 1, new FileInfo(Path.Combine(Root, "vendor", "echarts.js")).Length / 2);

        using var again = new HttpRequestMessage(HttpMethod.Get, request.RequestUri) { Headers = { { "If-None-Match", answer.Headers.ETag!.ToString() } } };
        Assert.Equal(HttpStatusCode.NotModified, (await bench.Client.SendAsync(again)).StatusCode);
    }

    [Fact]
    public async Task Nobody_needs_a_key_for_the_page_where_its_data_need_one()
    {
        await using var bench = await WebBench.StartAsync("http://0.0.0.0:0");
        Assert.Equal(HttpStatusCode.OK, (await bench.Client.GetAsync(new Uri("/ui/", UriKind.Relative))).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await bench.Client.GetAsync(new Uri("/sweeps", UriKind.Relative))).StatusCode);
    }

    [Fact]
    public async Task The_browser_may_load_nothing_from_elsewhere_and_run_nothing_inline()
    {
        await using var bench = await WebBench.StartAsync();
        using var page = await bench.Client.GetAsync(new Uri("/ui/", UriKind.Relative));
        var policy = Assert.Single(page.Headers.GetValues("Content-Security-Policy"));
        Assert.StartsWith("default-src 'self';", policy);
        Assert.Contains("frame-ancestors 'none'", policy);
        Assert.DoesNotContain("unsafe", policy);
        Assert.DoesNotContain("http", policy);
        Assert.DoesNotMatch("<style|style=|<script(?! type=\"module\" src=)| on[a-z]+=", await page.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Libraries_are_the_ones_that_their_list_names()
    {
        var listed = Listed().Matches(await File.ReadAllTextAsync(Path.Combine(Root, "vendor", "VERSIONS.md")));
        Assert.Equal(Directory.GetFiles(Path.Combine(Root, "vendor"), "*.js").Select(Path.GetFileName).Order(), listed.Select(m => m.Groups[1].Value).Order());
        foreach (Match library in listed)
            Assert.Equal(library.Groups[2].Value, Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(Path.Combine(Root, "vendor", library.Groups[1].Value)))));
    }

    /// <summary>A browser would find them one step after the other.</summary>
    [Fact]
    public async Task Scripts_of_each_page_are_asked_for_at_once()
    {
        var ahead = await File.ReadAllTextAsync(Path.Combine(Root, "ahead.js"));
        var document = await File.ReadAllTextAsync(Path.Combine(Root, "index.html"));
        var always = Quoted().Matches(document).Select(m => m.Groups[1].Value).Where(f => f.EndsWith(".js", StringComparison.Ordinal)).ToHashSet();
        var pages = ScriptsOfPage().Matches(ahead);
        Assert.Equal(7, pages.Count);
        foreach (Match page in pages)
        {
            var listed = Quoted().Matches(page.Groups[2].Value).Select(m => m.Groups[1].Value).ToHashSet();
            Assert.Equal(Needed($"pages/{page.Groups[1].Value}.js", []).Except(always).Order(), listed.Order());
        }

        HashSet<string> Needed(string file, HashSet<string> found)
        {
            if (!found.Add(file)) return found;
            foreach (Match import in StaticImport().Matches(File.ReadAllText(Path.Combine(Root, file))))
                Needed(Path.GetRelativePath(Root, Path.GetFullPath(Path.Combine(Root, Path.GetDirectoryName(file)!, import.Groups[1].Value))), found);
            return found;
        }
    }

    [Fact]
    public async Task Colours_are_those_of_the_report()
    {
        var css = await File.ReadAllTextAsync(Path.Combine(Root, "style.css"));
        var light = css[..css.IndexOf("data-theme", StringComparison.Ordinal)];
        foreach (var tint in Enum.GetValues<Tint>()) Assert.Contains($"--{tint.ToString().ToLowerInvariant()}: {PlotStyle.Of(tint)};", light);
    }

    [Fact]
    public void Scripts_know_no_stage_and_no_metric_by_name()
    {
        var scripts = Directory.GetFiles(Root, "*.js", SearchOption.AllDirectories).Where(file => !file.Contains("vendor", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(scripts);
        foreach (var script in scripts) Assert.DoesNotMatch("['\"`](top1\\w*|top5|train|prune|quantize|evaluate)['\"`]", File.ReadAllText(script));
    }

    [GeneratedRegex("['\"]([\\w/-]+\\.\\w+)['\"]")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"^  (\w+): (\['pages/.*\]),$", RegexOptions.Multiline)]
    private static partial Regex ScriptsOfPage();

    [GeneratedRegex(@"^import .* from '(.+\.js)';$", RegexOptions.Multiline)]
    private static partial Regex StaticImport();

    [GeneratedRegex("<base href=\"([^\"]+)\">")]
    private static partial Regex BaseFolder();

    [GeneratedRegex(@"\| (\S+\.js) \| ([0-9a-f]{64}) \|")]
    private static partial Regex Listed();
}
