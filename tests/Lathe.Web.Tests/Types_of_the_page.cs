using System.Diagnostics;
using Lathe.Testing;

namespace Lathe.Web.Tests;

/// <summary>The page's scripts have types in their comments, and TypeScript checks them as strictly as it can.</summary>
public sealed class Types_of_the_page
{
    [Fact]
    public async Task Have_no_error()
    {
        var folder = Path.Combine(Checkout.Root, "artifacts", "web-types");
        var compiler = Path.Combine(folder, "node_modules", ".bin", "tsc");
        Assert.SkipUnless(File.Exists(compiler), "TypeScript is not installed: ./test installs it");
        using var process = Process.Start(new ProcessStartInfo(compiler, ["--project", folder]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, output + await errors);
    }
}
